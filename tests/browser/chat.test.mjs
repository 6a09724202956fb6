// The chat example in a real browser: two people in two profiles of headless Chromium.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { startServer } from '../clients/server.mjs';
import { launch } from './browser.mjs';
import { COMMAND, hears, isIn, join, noticesTheLoss, online, say, visit } from './chat.mjs';

describe('the chat page', { timeout: 180_000 }, () => {
    let browser, server, agent, visitor;

    before(async () => {
        browser = await launch();
    });
    after(() => browser?.close());

    beforeEach(async () => {
        server = await startServer(COMMAND);
        agent = await visit(browser, server.port);
        visitor = await visit(browser, server.port);
    });
    afterEach(async () => {
        const faults = [agent, visitor].flatMap((page) => page?.faults ?? []);
        await Promise.all([agent, visitor].map((page) => page?.context().close()));
        await server.stop('SIGKILL');
        assert.deepEqual(faults, [], 'the page threw');
    });

    test('what one says, both see', async () => {
        await join(agent, 'Agent');
        await join(visitor, 'Visitor');
        await say(agent, 'Good morning, Visitor!');
        await Promise.all([hears(agent, 'Good morning, Visitor!'), hears(visitor, 'Good morning, Visitor!')]);
        assert.match(await visitor.innerText('#messages'), /Agent[\s\S]*Good morning, Visitor!/);

        await say(visitor, 'Grüße 👋 日本');
        await hears(agent, 'Grüße 👋 日本');
        assert.equal(await agent.inputValue('#input'), '');
    });

    test('Enter sends, too', async () => {
        await join(agent, 'Agent');
        await join(visitor, 'Visitor');
        await agent.fill('#input', 'by keyboard');
        await agent.press('#input', 'Enter');
        await hears(visitor, 'by keyboard');
    });

    test('the count of those online follows', async () => {
        await join(agent, 'Agent');
        await online(agent, 1);
        await join(visitor, 'Visitor');
        await Promise.all([online(agent, 2), online(visitor, 2)]);
        await visitor.close();
        await online(agent, 1);
    });

    test('markup in names and messages is only text', async () => {
        const markup = '<img src=x onerror="window.injected = 1"><b>bold</b><script>window.injected = 1</script>';
        await join(agent, '<b>Agent</b>');
        await join(visitor, 'Visitor');
        await say(agent, markup);
        await hears(visitor, markup);
        for (const page of [agent, visitor]) {
            assert.equal(await page.locator('#messages img, #messages script').count(), 0);
            const texts = await page.locator('#messages *').allTextContents();
            assert.ok(!texts.includes('bold') && !texts.includes('Agent'), 'markup became an element');
            assert.equal(await page.evaluate(() => window.injected), undefined);
        }
    });

    test('many messages at once keep their order', async () => {
        await join(agent, 'Agent');
        await join(visitor, 'Visitor');
        for (let number = 1; number <= 30; number++) await say(agent, `message ${number} of thirty`);
        await hears(visitor, 'message 30 of thirty');
        const numbers = (await visitor.innerText('#messages')).match(/\d+(?= of thirty)/g).map(Number);
        assert.deepEqual(numbers, Array.from({ length: 30 }, (_, index) => index + 1));
    });

    test('a server that stops and comes back: the page says so, and joins again by itself', async () => {
        await join(agent, 'Agent');
        await join(visitor, 'Visitor');
        const { port } = server;
        assert.equal(await server.stop('SIGTERM'), 0);
        await Promise.all([agent, visitor].map(noticesTheLoss));

        server = await startServer(COMMAND, port);
        await Promise.all([agent, visitor].map(isIn));
        await Promise.all([online(agent, 2), online(visitor, 2)]);
        await say(agent, 'back again');
        await hears(visitor, 'back again');
        assert.match(await visitor.innerText('#messages'), /Agent[\s\S]*back again/);
    });
});
