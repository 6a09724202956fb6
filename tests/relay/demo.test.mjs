// The demo: simulated customers, an agent's answer, and their answer to that.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../clients/server.mjs';
import { Agent } from './relay.mjs';

test('the demo says that it is one, and its customers speak and answer', { timeout: 60_000 }, async () => {
    const demo = await startServer(['php', 'examples/relay/demo.php', '{port}']);
    const url = `http://127.0.0.1:${demo.port}`;
    try {
        assert.match((await (await fetch(`${url}/session`)).json()).notice, /simulated/);
        const login = await fetch(`${url}/login`, { method: 'POST', body: JSON.stringify({ token: 'demo-demo-demo-demo' }) });
        const agent = new Agent(demo.port, login.headers.get('set-cookie').split(';')[0]);
        await agent.open();
        const first = await agent.sees('Hello! Where is my parcel? It was to come yesterday.');
        assert.match(first.conversation.name, /\(simulated\)$/);
        agent.answers('It comes today', first.conversation.id);
        await agent.sees('It comes today', (one) => one.state === 'sent');
        await agent.sees('Oh good. Can I choose another day?');
    } finally {
        assert.equal(await demo.stop(), 0);
    }
});
