// What a person does on the chat page of php-ext/examples/chat.php, for the test and the screenshot.

import assert from 'node:assert/strict';

export const COMMAND = ['php', 'php-ext/examples/chat.php', '{port}'];

/** Opens the page in a profile of its own, as another person at another computer would. */
export async function visit(browser, port, options = {}) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.faults = [];
    page.on('pageerror', (error) => page.faults.push(String(error)));
    await page.goto(`http://127.0.0.1:${port}/`);
    return page;
}

export async function join(page, name) {
    await page.fill('#name', name);
    await page.click('#join');
    await isIn(page);
}

/** Waits until the page has joined the room: only then can one send. */
export function isIn(page) {
    return page.waitForFunction(() => !document.querySelector('#send').disabled);
}

/** Waits until the page says that it lost the server. */
export async function noticesTheLoss(page) {
    await page.getByText(/connection lost|disconnected/i).first().waitFor();
    assert.ok(await page.isDisabled('#send'));
}

export async function say(page, text) {
    await page.fill('#input', text);
    await page.click('#send');
}

/** Waits until the page shows `text` among the messages, and in what its author wrote, not as markup. */
export function hears(page, text) {
    return page.waitForFunction((wanted) => document.querySelector('#messages').innerText.includes(wanted), text);
}

export function online(page, count) {
    return page.waitForFunction((wanted) => {
        const shown = /\d+/.exec(document.querySelector('#online').innerText);
        return shown && Number(shown[0]) === wanted;
    }, count);
}
