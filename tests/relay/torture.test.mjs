// The relay killed again and again, at each moment of a message's way, while customers write and an agent answers: in the end
// everything is there once. The vendor does as vendors do: it sends again what was not acknowledged, and an echo of each message.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Graph } from './graph.mjs';
import { from, Relay } from './relay.mjs';

const ROUNDS = 20;
const VENDOR_WAITS = 20;

describe('the relay under fire', { timeout: 180_000 }, () => {
    let relay, graph, ada;
    const posted = [];
    let isOver = false;

    before(async () => {
        graph = await new Graph().start();
        relay = await new Relay({ MESSENGER_BASE_URL: graph.url, MESSENGER_ECHO_WAIT: '5' }).start();
        graph.onDelivered = ({ psid, text, metadata, mid }) => {
            const message = { is_echo: true, app_id: 1, metadata, mid, text };
            posted.push(post({ sender: { id: 'page-1' }, recipient: { id: psid }, timestamp: Date.now(), message }));
        };
    });
    after(async () => {
        isOver = true;
        await relay.remove();
        await graph.stop();
    });

    /** Posts an item until it is acknowledged. */
    async function post(item) {
        while (!isOver) {
            const status = await relay.hook([item]).then((response) => response.status, () => 0);
            if (status === 200) return;
            assert.ok(status === 0 || status === 503, `answered ${status}`);
            await new Promise((resolve) => setTimeout(resolve, VENDOR_WAITS));
        }
    }

    test('nothing is lost, nothing is doubled, and the order is kept', async () => {
        const said = [], answered = [];
        const unsaid = new Map(); // as a page keeps them: client id => text
        const missing = () => [...unsaid].filter(([client]) => ![...ada.messages.values()].some((one) => one.client === client));

        ada = await relay.agent('ada');
        await relay.says('p1', 'the first');
        await ada.sees('the first');

        // What has to have happened before the blow falls.
        const moments = [
            async () => {},
            async (round) => ada.sees(`answer ${round}a`),
            async (round) => graph.until(() => graph.texts().includes(`answer ${round}a`), 'the first call'),
            async (round) => ada.sees(`answer ${round}a`, (one) => one.state === 'sent'),
            async (round) => graph.until(() => graph.texts().includes(`answer ${round}b`), 'the second call'),
        ];
        for (let round = 0; round < ROUNDS; round++) {
            for (const letter of ['a', 'b']) {
                const text = `question ${round}${letter}`;
                said.push(text);
                posted.push(post({ ...from('p1'), message: { mid: `mid-${text}`, text } }));
                const client = ada.answers(`answer ${round}${letter}`);
                unsaid.set(client, `answer ${round}${letter}`);
                answered.push(`answer ${round}${letter}`);
            }
            await moments[round % moments.length](round);
            await (round % 2 === 0 ? relay.killAll() : relay.kill());
            await relay.start();
            const { messages } = ada;
            const since = Math.max(...ada.heard.map((message) => message.seq ?? 0));
            const { desk } = ada.welcome;
            ada = await relay.agent('ada', { desk, since });
            for (const [id, one] of messages) if (!ada.messages.has(id)) ada.messages.set(id, one);
            for (const [client, text] of missing()) ada.answers(text, 1, client);
        }

        await Promise.all(answered.map((text) => ada.sees(text, (one) => one.state === 'sent')));
        await Promise.all(posted);
        await Promise.all(said.map((text) => ada.sees(text)));
        const all = ada.texts();
        assert.equal(new Set(all).size, all.length, 'one was stored twice');
        assert.deepEqual([...all].sort(), ['the first', ...said, ...answered].sort());
        assert.deepEqual(graph.texts(), answered, 'what the customer got, in order');
    });
});
