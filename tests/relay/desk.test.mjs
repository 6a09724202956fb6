// What is said between the relay and its agents: catching up by number, answers that are sent twice, who is here.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Graph } from './graph.mjs';
import { Agent, Relay } from './relay.mjs';

describe('the desk of the relay', { timeout: 180_000 }, () => {
    let relay, graph;

    beforeEach(async () => {
        graph = await new Graph().start();
        relay = await new Relay({ MESSENGER_BASE_URL: graph.url }).start();
    });
    afterEach(async () => {
        await relay.remove();
        await graph.stop();
    });

    test('both agents hear a customer, with numbers that have no gap', async () => {
        const [ada, bob] = [await relay.agent('ada'), await relay.agent('bob')];
        for (const text of ['one', 'two', 'three']) await relay.says('p1', text);
        await Promise.all([ada.sees('three'), bob.sees('three')]);
        let seq = ada.welcome.seq;
        for (const news of ada.heard.filter((message) => message.type === 'news')) {
            assert.equal(news.after, seq);
            assert.ok(news.seq > news.after);
            seq = news.seq;
        }
    });

    test('who was away is told what is missing, and that alone', async () => {
        const ada = await relay.agent('ada');
        await relay.says('p1', 'before');
        await ada.sees('before');
        const { desk } = ada.welcome;
        const since = Math.max(...ada.heard.map((message) => message.seq ?? 0));
        await ada.leave();
        await relay.says('p1', 'meanwhile');
        await relay.says('p2', 'from another');

        const back = await relay.agent('ada', { desk, since });
        assert.equal(back.welcome.fresh, false);
        assert.deepEqual(back.texts(), ['meanwhile', 'from another']);
        await relay.says('p1', 'afterwards');
        await back.sees('afterwards');

        const stranger = await relay.agent('ada', { desk: 'another desk', since });
        assert.equal(stranger.welcome.fresh, true);
        const ahead = await relay.agent('ada', { desk, since: 1_000_000 });
        assert.equal(ahead.welcome.fresh, true);
    });

    test('who has missed too much starts anew, with the last message of each conversation', async () => {
        const ada = await relay.agent('ada');
        await relay.says('p0', 'first');
        await ada.sees('first');
        const hello = { desk: ada.welcome.desk, since: 1 };
        await ada.leave();
        const item = (i) => ({ sender: { id: `p${i % 3}` }, message: { mid: `m${i}`, text: `text ${i}` } });
        for (let i = 0; i < 510; i += 51) await relay.hook(Array.from({ length: 51 }, (_, j) => item(i + j)));
        const back = await relay.agent('ada', hello);
        assert.equal(back.welcome.fresh, true);
        assert.deepEqual(back.welcome.messages.map((one) => one.text), ['text 509', 'text 508', 'text 507']);

        // The same for what is much in bytes.
        const seq = back.welcome.seq;
        const big = (i) => ({ sender: { id: 'p0' }, message: { mid: `big${i}`, text: `${i} ${'x'.repeat(19_900)}` } });
        for (let i = 0; i < 240; i += 40) await relay.hook(Array.from({ length: 40 }, (_, j) => big(i + j)));
        const third = await relay.agent('ada', { desk: back.welcome.desk, since: seq });
        assert.equal(third.welcome.fresh, true);
        assert.ok(third.welcome.messages.every((one) => one.text.length <= 200));
        const fourth = await relay.agent('ada', { desk: back.welcome.desk, since: third.welcome.seq - 2 });
        assert.deepEqual(fourth.welcome.messages.map((one) => one.text.length), [19_904, 19_904]);

        back.say({ type: 'earlier', conversation: 1, before: 0 });
        const page = await back.hears((message) => message.type === 'earlier', 'a page');
        assert.deepEqual([page.messages.length, page.more, page.messages[0].text.length], [50, true, 19_904]);
    });

    test('an answer that is sent again after a reconnect goes out once', async () => {
        const ada = await relay.agent('ada');
        await relay.says('p1', 'Help!');
        await ada.sees('Help!');
        const client = ada.answers('Here I am');
        await ada.sees('Here I am', (one) => one.state === 'sent');
        ada.answers('Here I am', 1, client);
        const known = await ada.hears((message) => message.type === 'known', 'that it is known');
        assert.equal(known.messages[0].client, client);
        const bob = await relay.agent('bob');
        bob.answers('Here I am', 1, client);
        await bob.hears((message) => message.type === 'known', 'that it is known');
        ada.answers('and this');
        await graph.until(() => graph.delivered.length === 2, 'two answers');
        assert.deepEqual(graph.texts(), ['Here I am', 'and this']);
    });

    test('agents see who is here, and who looks at what', async () => {
        const ada = await relay.agent('ada');
        const bob = await relay.agent('bob', { looking: 1 });
        const both = [{ name: 'ada', looking: [] }, { name: 'bob', looking: [1] }];
        const says = (agents) => (message) => message.type === 'agents' && JSON.stringify(message.agents) === JSON.stringify(agents);
        await ada.hears(says(both), 'both');
        bob.say({ type: 'look', conversation: 2 });
        await ada.hears(says([both[0], { name: 'bob', looking: [2] }]), 'that bob looks elsewhere');
        await bob.leave();
        ada.heard.length = 0;
        ada.say({ type: 'look', conversation: 0 });
        await ada.hears(says([both[0]]), 'that bob left');
    });

    test('what cannot be sent is refused, and nonsense does no harm', async () => {
        const ada = await relay.agent('ada');
        await relay.says('p1', 'Help!');
        await ada.sees('Help!');
        for (const [text, conversation] of [['', 1], ['   ', 1], ['x', 99], ['x'.repeat(2001), 1]]) {
            const client = ada.answers(text, conversation);
            const { why } = await ada.hears((message) => message.type === 'refused' && message.client === client, 'a refusal');
            assert.ok(why.length > 5);
        }
        ada.answers('no id', 1, 'x');
        await ada.hears((message) => message.type === 'refused' && message.client === 'x', 'a refusal');
        for (const nonsense of ['', 'nonsense', '[]', '{}', '{"type": []}', '{"type":"look"}', '{"type":"earlier"}', '{"type":"again","id":1}']) {
            ada.say(nonsense);
        }
        ada.say({ type: 'answer', conversation: { a: 1 }, text: ['x'], client: null });
        ada.say({ type: 'ping' });
        await ada.hears((message) => message.type === 'pong' && message.seq === 1, 'a pong with the number');
        assert.deepEqual(graph.texts(), []);
        assert.doesNotMatch(relay.log, /handler/);
    });

    test('a page that stands still is closed with 1013, and the others do not wait for it', async () => {
        await relay.stop();
        relay.settings.ENGINE_MAX_QUEUED_BYTES = '256K';
        await relay.start();
        const [ada, bob] = [await relay.agent('ada'), await relay.agent('bob')];
        bob.socket.pause();
        const long = 'x'.repeat(15_000);
        const item = (i) => ({ sender: { id: 'p1' }, message: { mid: `m${i}`, text: `${i} ${long}` } });
        // More than the kernel holds for both ends, and the queue on top of it.
        const sent = 1600;
        for (let i = 0; i < sent; i += 40) {
            await relay.hook(Array.from({ length: 40 }, (_, j) => item(i + j)));
            await ada.sees(`${i + 39} ${long}`);
        }
        bob.socket.resume();
        assert.equal(await bob.closed, 1013);
        assert.equal(ada.messages.size, sent);
        const back = await relay.agent('bob', { desk: bob.welcome.desk, since: Math.max(...bob.heard.map((m) => m.seq ?? 0)) });
        assert.ok(back.welcome.messages.some((one) => one.text.startsWith(`${sent - 1} x`)));
    });

    test('a second relay on one database is refused', async () => {
        const second = new Relay({ DATABASE: relay.database });
        await assert.rejects(second.start(), /another relay has it/);
        await second.remove();
    });

    test('SIGTERM lets agents go with 1001, and ends the sender, too', async () => {
        const agent = new Agent(relay.port, await relay.cookie('ada'));
        await agent.open();
        const sender = relay.sender();
        assert.equal(await relay.stop(), 0, relay.log);
        assert.equal(await agent.closed, 1001);
        assert.throws(() => process.kill(sender, 0), { code: 'ESRCH' });
    });
});
