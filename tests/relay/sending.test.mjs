// What goes out: errors that pass and errors that stay, and answers that must be sent once though processes die.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { Graph } from './graph.mjs';
import { Relay, sign, WEB_SECRET } from './relay.mjs';

describe('the sender of the relay', { timeout: 120_000 }, () => {
    let relay, graph, ada;

    beforeEach(async () => {
        graph = await new Graph().start();
        relay = await new Relay({ MESSENGER_BASE_URL: graph.url }).start();
        ada = await relay.agent('ada');
        await relay.says('p1', 'Help!');
        await ada.sees('Help!');
    });
    afterEach(async () => {
        await relay.remove();
        await graph.stop();
    });

    /** The relay again after its death, and Ada with it. */
    async function back() {
        await relay.start();
        ada = await relay.agent('ada');
        ada.say({ type: 'earlier', conversation: 1, before: 0 });
        await ada.hears((message) => message.type === 'earlier', 'the conversation');
    }

    const isSent = (one) => one.state === 'sent';

    /** All that was to go out has gone: a last answer to the same customer, which waits for those before it, is out. */
    async function settled(...texts) {
        ada.answers('the last one');
        await ada.sees('the last one', isSent);
        assert.deepEqual(graph.texts(), [...texts, 'the last one']);
    }

    test('an answer reaches the customer, with a reference to it', async () => {
        ada.answers('Grüße 👋');
        await ada.sees('Grüße 👋', isSent);
        assert.equal(graph.delivered[0].psid, 'p1');
        assert.match(graph.delivered[0].metadata, /^relay-[0-9a-f]{12}-\d+$/);
    });

    test('delivery and reading are shown', async () => {
        ada.answers('Hello!');
        await ada.sees('Hello!', isSent);
        const receipt = { sender: { id: 'p1' }, recipient: { id: 'page-1' }, timestamp: Date.now() };
        await relay.hook([{ ...receipt, delivery: { mids: [graph.delivered[0].mid], watermark: 1 } }]);
        await ada.sees('Hello!', (one) => one.state === 'delivered');
        await relay.hook([{ ...receipt, read: { watermark: Date.now() } }]);
        await ada.sees('Hello!', (one) => one.state === 'read');
    });

    for (const error of [{ code: 4 }, { code: 17 }, { code: 32 }, { code: 613 }, { code: 1, status: 500 }, { code: 2, status: 500 },
        { code: 1200 }, { code: 999, transient: true }, { raw: 503 }, { raw: 429 }]) {
        test(`${JSON.stringify(error)} passes: it is tried again until it is through`, async () => {
            graph.next(error, error, error);
            ada.answers('patience');
            await ada.sees('patience', (one) => one.state === 'queued' && one.attempts > 0 && one.note !== '');
            await ada.sees('patience', isSent);
            assert.equal(graph.calls, 4);
            await settled('patience');
        });
    }

    for (const error of [{ code: 10, subcode: 2018278 }, { code: 100, subcode: 2018001 }, { code: 190 }, { code: 551 }]) {
        test(`${JSON.stringify(error)} stays: it is shown, and an agent may try again`, async () => {
            graph.next(error);
            ada.answers('refused');
            const failed = await ada.sees('refused', (one) => one.state === 'failed');
            assert.match(failed.note, new RegExp(`\\(${error.code}\\b`));
            assert.equal(graph.calls, 1);
            ada.say({ type: 'again', id: failed.id });
            await ada.sees('refused', isSent);
            await settled('refused');
        });
    }

    test('a wrong page token is an error that stays', async () => {
        await relay.killAll();
        relay.settings.MESSENGER_PAGE_TOKEN = 'expired';
        await back();
        ada.answers('with the old token');
        assert.match((await ada.sees('with the old token', (one) => one.state === 'failed')).note, /page token is not valid/);
    });

    test('an API that is not there is tried until it is', async () => {
        await graph.stop();
        ada.answers('into the void');
        await ada.sees('into the void', (one) => one.state === 'queued' && one.attempts > 1);
        const again = await new Graph().start(graph.port);
        await ada.sees('into the void', isSent);
        assert.deepEqual(again.texts(), ['into the void']);
        graph = again;
    });

    test('answers of one customer keep their order while the first of them waits', async () => {
        graph.next({ code: 1200 }, { code: 1200 });
        for (const text of ['one', 'two', 'three']) ada.answers(text);
        await ada.sees('three', isSent);
        assert.deepEqual(graph.texts(), ['one', 'two', 'three']);
    });

    test('a reply that was lost is in doubt, and the echo resolves it', async () => {
        graph.next({ drop: true });
        ada.answers('did it arrive?');
        await ada.sees('did it arrive?', (one) => one.state === 'doubt');
        await relay.echo(graph.delivered[0]);
        await ada.sees('did it arrive?', isSent);
        await settled('did it arrive?');
    });

    test('a reply that was lost, and no echo: sent again after the wait, at least once is the promise', async () => {
        graph.next({ drop: true });
        ada.answers('twice, alas');
        await ada.sees('twice, alas', isSent);
        await settled('twice, alas', 'twice, alas');
    });

    test('the relay is killed while a call is made: its sender brings it to its end, and the next one waits', async () => {
        let release;
        graph.next({ hold: new Promise((resolve) => (release = resolve)) });
        ada.answers('in mid-call');
        await graph.until(() => graph.delivered.length === 1, 'the call');
        await relay.kill();
        relay.settings.MESSENGER_ECHO_WAIT = '0'; // whoever does not wait for the lock sends it again at once
        await back();
        await relay.senderAtLock();
        for (let i = 0; i < 20; i++) await relay.says('p2', `time goes by: ${i}`);
        assert.equal(graph.calls, 1);
        assert.equal((await ada.sees('in mid-call')).state, 'sending');
        release();
        await ada.sees('in mid-call', isSent);
        await settled('in mid-call');
    });

    test('the relay is killed before the API could be reached: the answer goes out once', async () => {
        await graph.stop();
        ada.answers('kept');
        await ada.sees('kept', (one) => one.state === 'queued' && one.attempts > 0);
        await relay.killAll();
        graph = await new Graph().start(graph.port);
        await back();
        await ada.sees('kept', isSent);
        await settled('kept');
    });

    test('the relay is killed right after an answer was accepted, time and again: each goes out once', async () => {
        const texts = [];
        for (let i = 0; i < 5; i++) {
            texts.push(`round ${i}`);
            ada.answers(`round ${i}`);
            await ada.sees(`round ${i}`);
            await relay.kill();
            await back();
        }
        for (const text of texts) await ada.sees(text, isSent);
        await settled(...texts);
    });

    test('relay and sender are killed after the outcome was noted: nothing is sent again', async () => {
        ada.answers('done');
        await ada.sees('done', isSent);
        await relay.killAll();
        await back();
        await settled('done');
    });

    test('relay and sender are killed in mid-call: the echo tells that it arrived', async () => {
        graph.next({ hold: new Promise(() => {}) });
        ada.answers('was it sent?');
        await graph.until(() => graph.delivered.length === 1, 'the call');
        await relay.killAll();
        relay.settings.MESSENGER_ECHO_WAIT = '60';
        await back();
        await ada.sees('was it sent?', (one) => one.state === 'doubt');
        await relay.echo(graph.delivered[0]);
        await ada.sees('was it sent?', isSent);
        await settled('was it sent?');
    });

    test('the sender alone is killed: the relay starts another, and agents notice nothing', async () => {
        const first = relay.sender();
        process.kill(first, 'SIGKILL');
        ada.answers('by the next one');
        await ada.sees('by the next one', isSent);
        assert.notEqual(relay.sender(), first);
        await settled('by the next one');
    });

    test('an outcome that cannot be noted for a while is noted later, and the answer goes out once', async () => {
        const isSending = "BEFORE UPDATE ON messages WHEN NEW.state = 'sent'";
        await relay.sql(`CREATE TRIGGER full ${isSending} BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`);
        const first = relay.sender();
        ada.answers('noted later');
        await relay.logs(/cannot be noted yet: .*the disk is full/);
        await relay.sql('DROP TRIGGER full');
        await ada.sees('noted later', isSent);
        assert.equal(relay.sender(), first);
        await settled('noted later');
    });

    test('SIGTERM waits for the call that is being made', async () => {
        let release;
        graph.next({ hold: new Promise((resolve) => (release = resolve)) });
        ada.answers('the farewell');
        await graph.until(() => graph.delivered.length === 1, 'the call');
        const stopped = relay.stop();
        await ada.closed;
        release();
        assert.equal(await stopped, 0);
        await back();
        assert.equal((await ada.sees('the farewell')).state, 'sent');
    });

    test('what somebody writes in the inbox of the Page is shown', async () => {
        await relay.echo({ psid: 'p1', text: 'from the inbox', mid: 'mid-inbox' });
        const message = await ada.sees('from the inbox');
        assert.deepEqual([message.agent, message.state], ['elsewhere', 'sent']);
        await settled();
    });

    test('the web channel posts its answers, signed, and again with the same key if the reply is lost', async () => {
        const got = [];
        const shop = createServer(async (request, response) => {
            let body = '';
            for await (const chunk of request) body += chunk;
            got.push({ body: JSON.parse(body), key: request.headers['idempotency-key'], right: request.headers['x-signature-256'] === sign(body, WEB_SECRET) });
            got.length === 1 ? request.socket.destroy() : response.writeHead(got.length === 2 ? 503 : 204).end();
        }).listen(0, '127.0.0.1');
        await once(shop, 'listening');
        await relay.killAll();
        relay.settings.WEB_REPLY_URL = `http://127.0.0.1:${shop.address().port}/answers`;
        await back();
        const body = JSON.stringify({ id: 'o-1', customer: { id: 'c1', name: 'Order 17' }, text: 'from the shop' });
        await relay.post('/hook/web', body, { 'X-Signature-256': sign(body, WEB_SECRET) });
        const { conversation } = await ada.sees('from the shop');
        ada.answers('to the shop', conversation.id);
        await ada.sees('to the shop', isSent);
        assert.equal(got.length, 3);
        assert.ok(got.every((one) => one.right && one.key === got[0].key && one.body.id === one.key && one.body.text === 'to the shop'));
        assert.deepEqual(got[0].body.customer, { id: 'c1' });
        shop.close();
    });
});
