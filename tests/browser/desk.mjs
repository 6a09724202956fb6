// What an agent does on the page of examples/relay, for the test and the screenshot.

import { TOKENS } from '../relay/relay.mjs';

/** Opens the desk in a profile of its own, as another agent at another computer would. */
export async function visit(browser, relay, options = {}) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    page.faults = [];
    page.on('pageerror', (error) => page.faults.push(String(error)));
    page.on('console', (message) => {
        // A browser logs each refused connection by itself; what matters is what the policy of the page forbids.
        if (/Content Security Policy/i.test(message.text())) page.faults.push(message.text());
    });
    await page.goto(relay.url);
    return page;
}

export async function logIn(page, name) {
    await page.fill('#token', TOKENS[name]);
    await page.click('#enter');
    await isLive(page);
}

export function isLive(page) {
    return page.locator('#status.live').waitFor();
}

export function noticesTheLoss(page) {
    return page.getByText(/Connection lost/).waitFor();
}

/** Chooses the conversation with this customer, and waits until its messages are there. */
export async function choose(page, customer) {
    await page.locator('#conversations button', { hasText: customer }).click();
    await page.locator('#messages li').first().waitFor();
}

export async function answer(page, text) {
    await page.fill('#text', text);
    await page.press('#text', 'Enter');
}

/** Waits for a message with this text, in this state if one is given. */
export function sees(page, text, state = '') {
    const row = page.locator(`#messages li${state && `[data-state="${state}"]`}`);
    return row.filter({ has: page.locator('.text').getByText(text, { exact: true }) }).waitFor();
}

/** The texts that are shown, in order. */
export function texts(page) {
    return page.locator('#messages .text').allInnerTexts();
}
