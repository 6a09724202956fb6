// The page of the relay in headless Chromium: two agents, a customer, and a server that dies in mid-conversation.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { rmSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { Graph } from '../relay/graph.mjs';
import { from, Relay } from '../relay/relay.mjs';
import { launch } from './browser.mjs';
import { answer, choose, isLive, logIn, noticesTheLoss, sees, texts, visit } from './desk.mjs';

describe('the page of the relay', { timeout: 240_000 }, () => {
    let browser, graph, relay, ada, bob;

    before(async () => {
        browser = await launch();
    });
    after(() => browser?.close());

    beforeEach(async () => {
        graph = await new Graph().start();
        relay = await new Relay({ MESSENGER_BASE_URL: graph.url, DESK_NAME: 'Desk under test' }).start();
        ada = await visit(browser, relay);
        bob = await visit(browser, relay);
    });
    afterEach(async () => {
        const faults = [ada, bob].flatMap((page) => page?.faults ?? []);
        await Promise.all([ada, bob].map((page) => page?.context().close()));
        await relay.remove();
        await graph.stop();
        assert.deepEqual(faults, [], 'the page threw, or did what its policy forbids');
    });

    const bothLogIn = () => Promise.all([logIn(ada, 'ada'), logIn(bob, 'bob')]);

    test('a wrong token lets nobody in, the right one stays over a reload, until logging out', async () => {
        assert.equal(await ada.title(), 'Desk under test');
        await ada.fill('#token', 'a token that is nobody’s');
        await ada.click('#enter');
        await ada.getByText("this is nobody's token").waitFor();
        assert.ok(await ada.isHidden('#desk'));
        await logIn(ada, 'ada');
        await ada.reload();
        await isLive(ada);
        await ada.click('#logout');
        await ada.locator('#door').waitFor();
        await ada.reload();
        await ada.locator('#door').waitFor();
    });

    test('a message of a customer appears with both agents within a second, and an answer goes out once', async () => {
        await bothLogIn();
        await relay.says('psid-000001', 'Good morning');
        await Promise.all([choose(ada, '000001'), choose(bob, '000001')]);
        const started = performance.now();
        await relay.says('psid-000001', 'Where is my parcel?');
        await Promise.all([sees(ada, 'Where is my parcel?'), sees(bob, 'Where is my parcel?')]);
        const took = performance.now() - started;
        assert.ok(took < 1000, `it took ${Math.round(took)} ms`);

        await answer(ada, 'It arrives today.');
        await Promise.all([sees(ada, 'It arrives today.', 'sent'), sees(bob, 'It arrives today.', 'sent')]);
        assert.deepEqual(graph.texts(), ['It arrives today.']);
        assert.equal(await ada.inputValue('#text'), '');
        assert.match(await bob.locator('#messages li').last().innerText(), /ada/);
    });

    test('killed with -9 in mid-conversation and started again: nothing is lost, nothing is doubled', async () => {
        await bothLogIn();
        await relay.says('psid-000001', 'one');
        await Promise.all([choose(ada, '000001'), choose(bob, '000001')]);
        await answer(ada, 'two');
        await sees(ada, 'two', 'sent');

        // A call is under way, another answer is queued behind it, and a third is written while the relay is down.
        let release;
        graph.next({ hold: new Promise((resolve) => (release = resolve)) });
        await answer(ada, 'three');
        await answer(bob, 'four');
        await graph.until(() => graph.delivered.length === 2, 'the call');
        await sees(bob, 'four', 'queued');
        await relay.kill();
        await Promise.all([noticesTheLoss(ada), noticesTheLoss(bob)]);
        await answer(ada, 'five');
        await sees(ada, 'five', 'unsaid');
        release();
        await assert.rejects(relay.says('psid-000001', 'six', 'mid-six'), 'nobody is there to take it: the vendor tries again');

        await relay.start();
        await relay.says('psid-000001', 'six', 'mid-six');
        await relay.says('psid-000001', 'six', 'mid-six');
        await Promise.all([isLive(ada), isLive(bob)]);
        for (const page of [ada, bob]) {
            for (const text of ['three', 'four', 'five']) await sees(page, text, 'sent');
            await sees(page, 'six');
        }
        const expected = ['one', 'two', 'three', 'four', 'five', 'six'];
        for (const page of [ada, bob]) {
            const shown = await texts(page);
            assert.deepEqual([...shown].sort(), [...expected].sort());
            assert.deepEqual(shown.slice(0, 4), expected.slice(0, 4));
        }
        assert.deepEqual(graph.texts(), ['two', 'three', 'four', 'five']);
    });

    test('relay and sender killed together while answers wait: all of them go out, once, in order', async () => {
        await bothLogIn();
        await relay.says('psid-000001', 'Hello?');
        await Promise.all([choose(ada, '000001'), choose(bob, '000001')]);
        await graph.stop();
        for (const text of ['a', 'b', 'c']) await answer(ada, text);
        await sees(bob, 'c', 'queued');
        await relay.killAll();
        await noticesTheLoss(bob);
        graph = await new Graph().start(graph.port);
        await relay.start();
        for (const text of ['a', 'b', 'c']) await sees(bob, text, 'sent');
        assert.deepEqual(graph.texts(), ['a', 'b', 'c']);
        assert.deepEqual(await texts(bob), ['Hello?', 'a', 'b', 'c']);
    });

    test('an answer that was written while the line was down survives a reload of the page', async () => {
        await logIn(ada, 'ada');
        await relay.says('psid-000001', 'Hello?');
        await choose(ada, '000001');
        await relay.kill();
        await noticesTheLoss(ada);
        await answer(ada, 'kept by the page');
        await relay.start();
        await ada.reload();
        await isLive(ada);
        await graph.until(() => graph.delivered.length === 1, 'the answer');
        await choose(ada, '000001');
        await sees(ada, 'kept by the page', 'sent');
        assert.deepEqual(graph.texts(), ['kept by the page']);
    });

    test('an answer that failed is shown as such, and can be sent again', async () => {
        graph.next({ code: 551, subcode: 1545041, message: '(#551) This person is not available right now.' });
        await logIn(ada, 'ada');
        await relay.says('psid-000001', 'Hello?');
        await choose(ada, '000001');
        await answer(ada, 'Hi!');
        await sees(ada, 'Hi!', 'failed');
        assert.match(await ada.locator('#messages li').last().innerText(), /Not sent: the customer does not take messages now \(551/);
        await ada.click('#messages .again');
        await sees(ada, 'Hi!', 'sent');
        await relay.hook([{ ...from('psid-000001'), delivery: { mids: [graph.delivered[0].mid], watermark: 1 } }]);
        await sees(ada, 'Hi!', 'delivered');
        await relay.hook([{ ...from('psid-000001'), read: { watermark: Date.now() } }]);
        await sees(ada, 'Hi!', 'read');
    });

    test('agents see each other come, look, and go', async () => {
        await bothLogIn();
        await ada.locator('#agents li', { hasText: 'bob' }).waitFor();
        await relay.says('psid-000001', 'Hello?');
        await Promise.all([choose(ada, '000001'), choose(bob, '000001')]);
        await ada.getByText('bob is here, too').waitFor();
        await bob.click('#logout');
        await ada.locator('#agents li', { hasText: 'bob' }).waitFor({ state: 'detached' });
        await ada.getByText('bob is here, too').waitFor({ state: 'detached' });
    });

    test('what is new is counted, and markup is only text', async () => {
        await logIn(ada, 'ada');
        await relay.says('psid-000001', 'first');
        await choose(ada, '000001');
        const markup = '<img src=x onerror="window.injected = 1"><b>bold</b><script>window.injected = 1</script>';
        await relay.says('psid-000002', markup);
        await relay.says('psid-000002', 'second');
        await ada.locator('#conversations .badge', { hasText: '2' }).waitFor();
        assert.equal(await ada.title(), '(2) Desk under test');
        await choose(ada, '000002');
        await sees(ada, markup);
        assert.equal(await ada.evaluate(() => window.injected), undefined);
        assert.equal(await ada.title(), 'Desk under test');
        await relay.hook([{ ...from('psid-000002'), message: { mid: 'm9', attachments: [
            { type: 'file', payload: { url: 'javascript:window.injected = 1' } }, { type: 'image', payload: { url: 'https://cdn.example/1.png' } }] } }]);
        await ada.locator('#messages a').waitFor();
        assert.deepEqual(await ada.locator('#messages a').evaluateAll((links) => links.map((link) => link.href)), ['https://cdn.example/1.png']);
    });

    test('earlier messages are fetched a page at a time, in order', async () => {
        const item = (i) => ({ ...from('psid-000001'), message: { mid: `m${i}`, text: `number ${i}` } });
        await relay.hook(Array.from({ length: 120 }, (_, i) => item(i)));
        await logIn(ada, 'ada');
        await choose(ada, '000001');
        await sees(ada, 'number 119');
        assert.equal((await texts(ada)).length, 50);
        await ada.click('#earlier');
        await sees(ada, 'number 20');
        await ada.click('#earlier');
        await sees(ada, 'number 0');
        assert.deepEqual(await texts(ada), Array.from({ length: 120 }, (_, i) => `number ${i}`));
        assert.ok(await ada.isHidden('#earlier'));
    });

    test('news that are lost on the way are noticed, and fetched', async () => {
        let losing = false;
        await ada.routeWebSocket(/\/desk$/, (socket) => {
            const server = socket.connectToServer();
            server.onMessage((data) => losing && JSON.parse(data).type === 'news' || socket.send(data));
        });
        await ada.reload();
        await bothLogIn();
        await relay.says('psid-000001', 'one');
        await Promise.all([choose(ada, '000001'), choose(bob, '000001')]);
        losing = true;
        await relay.says('psid-000001', 'two');
        await relay.says('psid-000002', 'of another');
        await sees(bob, 'two');
        losing = false;
        await relay.says('psid-000001', 'three');
        await sees(ada, 'three');
        assert.deepEqual(await texts(ada), ['one', 'two', 'three']);
        await ada.locator('#conversations li', { hasText: 'of another' }).waitFor();
    });

    test('what was missed is shown in the order of the conversation', async () => {
        await logIn(ada, 'ada');
        await relay.says('psid-000001', 'one');
        await choose(ada, '000001');
        await sees(ada, 'one');
        await ada.context().setOffline(true);
        await relay.kill();
        await noticesTheLoss(ada);
        await relay.start();
        const other = await relay.agent('bob');
        other.answers('two');
        await other.sees('two', (one) => one.state === 'sent');
        await relay.says('psid-000001', 'three');
        await relay.hook([{ ...from('psid-000001'), read: { watermark: Date.now() } }]);
        await other.sees('two', (one) => one.state === 'read');
        await ada.context().setOffline(false);
        await sees(ada, 'two', 'read');
        await sees(ada, 'three');
        assert.deepEqual(await texts(ada), ['one', 'two', 'three']);
    });

    test('who logs in after another finds nothing of theirs, and can answer', async () => {
        await logIn(ada, 'ada');
        await relay.says('psid-000001', 'Hello?');
        await choose(ada, '000001');
        await ada.fill('#text', 'a draft');
        await ada.click('#logout');
        await ada.locator('#door').waitFor();
        assert.equal(await ada.locator('#messages').textContent(), '');
        await logIn(ada, 'bob');
        assert.ok(await ada.isHidden('#chosen'));
        await choose(ada, '000001');
        assert.equal(await ada.inputValue('#text'), '');
        await answer(ada, 'by bob');
        await sees(ada, 'by bob', 'sent');
    });

    test('an answer that waits for one desk never goes to a customer of another', async () => {
        await logIn(ada, 'ada');
        await relay.says('psid-000001', 'Hello?');
        await choose(ada, '000001');
        await relay.killAll();
        await noticesTheLoss(ada);
        await answer(ada, 'for the first desk');
        for (const end of ['', '-wal', '-shm']) rmSync(relay.database + end, { force: true });
        await relay.start();
        await relay.says('psid-000002', 'Of another desk');
        await isLive(ada);
        await choose(ada, '000002');
        await answer(ada, 'for the second desk');
        await sees(ada, 'for the second desk', 'sent');
        assert.deepEqual(graph.texts(), ['for the second desk']);
    });

    test('a network that swallows everything is given up, and tried again', async () => {
        let swallows = false;
        const lines = new Set();
        const network = net.createServer((line) => {
            lines.add(line.on('error', () => {}).on('close', () => lines.delete(line)));
            if (swallows) return network.emit('swallowed', line.resume());
            const onward = net.connect(relay.port, '127.0.0.1').on('error', () => line.destroy()).on('close', () => line.destroy());
            line.pipe(onward).pipe(line).on('close', () => onward.destroy());
        }).listen(0, '127.0.0.1');
        await once(network, 'listening');
        await ada.goto(`http://127.0.0.1:${network.address().port}`);
        await logIn(ada, 'ada');
        swallows = true;
        const swallowed = once(network, 'swallowed');
        for (const line of lines) line.destroy();
        await noticesTheLoss(ada);
        await swallowed;
        swallows = false;
        await isLive(ada); // without closing the line that was swallowed
        network.close();
        for (const line of lines) line.destroy();
    });

    test('a customer who has not written for long is found', async () => {
        for (let i = 1; i <= 205; i++) await relay.says(`psid-${String(i).padStart(6, '0')}`, `number ${i}`);
        await logIn(ada, 'ada');
        await ada.locator('#conversations li', { hasText: 'Customer 000205' }).waitFor();
        assert.equal(await ada.locator('#conversations li').count(), 200);
        await ada.fill('#find', '000003');
        await choose(ada, 'Customer 000003');
        await sees(ada, 'number 3');
        assert.equal(await ada.locator('#conversations li').count(), 1);
        await ada.fill('#find', 'nobody of this name');
        await ada.getByText('No such customer.').waitFor();
    });

    test('all of it works by keyboard, and everything has a name', async () => {
        await relay.says('psid-000001', 'Hello?');
        await ada.focus('#token');
        await ada.keyboard.type('token-of-ada-in-tests');
        await ada.keyboard.press('Enter');
        await isLive(ada);
        await ada.locator('#conversations button').focus();
        await ada.keyboard.press('Enter');
        await ada.waitForFunction(() => document.activeElement.id === 'text');
        await ada.keyboard.type('line one');
        await ada.keyboard.press('Shift+Enter');
        await ada.keyboard.type('line two');
        await ada.keyboard.press('Enter');
        await graph.until(() => graph.delivered.length === 1, 'the answer');
        assert.deepEqual(graph.texts(), ['line one\nline two']);
        const nameless = await ada.evaluate(() => [...document.querySelectorAll('button, input, textarea')].filter((element) =>
            element.checkVisibility() && !element.textContent.trim() && !element.ariaLabel && !element.labels?.length).map((element) => element.outerHTML));
        assert.deepEqual(nameless, []);
    });
});
