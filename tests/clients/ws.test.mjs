// The echo examples, in C and in PHP, as the client of npm's `ws` sees them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { require, startServer } from './server.mjs';

const { WebSocket } = require('ws');

const MIB = 1 << 20;
const LENGTHS = [0, 1, 125, 126, 127, 65535, 65536, MIB, 16 * MIB];
const SERVERS = {
    'C echo': ['build/examples/echo', '{port}'],
    'PHP echo': ['php', 'php-ext/examples/echo.php', '{port}'],
};

for (const [name, command] of Object.entries(SERVERS)) {
    describe(name, { timeout: 120_000 }, () => {
        let server;

        before(async () => {
            server = await startServer(command);
        });
        after(() => server.stop('SIGKILL'));

        async function open(...options) {
            const client = new WebSocket(server.url, ...options);
            await once(client, 'open');
            return client;
        }

        async function close(client, ...how) {
            client.close(...how);
            const [code, reason] = await once(client, 'close');
            return { code, reason: reason.toString() };
        }

        test('text and binary of every length form', async () => {
            const client = await open({ maxPayload: 64 * MIB });
            for (const length of LENGTHS) {
                for (const binary of [false, true]) {
                    const sent = Buffer.alloc(length, 'wspush! ');
                    client.send(sent, { binary });
                    const [received, isBinary] = await once(client, 'message');
                    assert.equal(isBinary, binary, `${length} bytes changed their type`);
                    assert.ok(received.equals(sent), `${length} bytes came back changed`);
                }
            }
            await close(client);
        });

        test('fragments, with a ping between them, are one message', async () => {
            const client = await open();
            client.send('one, ', { fin: false });
            client.send('two, ', { fin: false });
            client.ping('in between');
            const [payload] = await once(client, 'pong');
            assert.equal(payload.toString(), 'in between');
            client.send('three', { fin: true });
            const [received] = await once(client, 'message');
            assert.equal(received.toString(), 'one, two, three');
            await close(client);
        });

        test('1,000 messages in flight keep their order', async () => {
            const client = await open();
            let next = 0;
            const done = new Promise((resolve, reject) => {
                client.on('close', () => reject(new Error('closed')));
                client.on('message', (data) => {
                    if (data.toString() !== `message ${next}`) reject(new Error(`${data} came in place ${next}`));
                    if (++next === 1000) resolve();
                });
            });
            for (let number = 0; number < 1000; number++) client.send(`message ${number}`);
            await done;
            await close(client);
        });

        test('close codes and reasons come back', async () => {
            for (const [code, reason] of [[1000, ''], [1000, 'bye'], [3999, 'grüße'], [4000, 'z'.repeat(123)]]) {
                const answer = await close(await open(), code, reason);
                assert.equal(answer.code, code);
                assert.ok(answer.reason === reason || answer.reason === '', answer.reason);
            }
            assert.equal((await close(await open())).code, 1005);
        });

        test('compression and subprotocols may be offered', async () => {
            const client = await open({ perMessageDeflate: true });
            client.send('x'.repeat(10_000));
            const [received] = await once(client, 'message');
            assert.equal(received.length, 10_000);
            await close(client);

            // ws, unlike other clients, insists on one of the subprotocols it offered; the echo speaks none.
            const picky = new WebSocket(server.url, ['chat', 'superchat']);
            const [error] = await once(picky, 'error');
            assert.match(error.message, /no subprotocol/);
        });

        test('50 connections at once', async () => {
            await Promise.all(Array.from({ length: 50 }, async (_, which) => {
                const client = await open();
                for (let number = 0; number < 20; number++) {
                    client.send(`${which}:${number}`);
                    const [received] = await once(client, 'message');
                    assert.equal(received.toString(), `${which}:${number}`);
                }
                await close(client);
            }));
        });

        test('kill -9 and an immediate start on the same port', async () => {
            for (let round = 0; round < 3; round++) {
                const client = await open();
                const closed = once(client, 'close');
                await server.stop('SIGKILL');
                assert.equal((await closed)[0], 1006);
                server = await startServer(command, server.port);
            }
            await close(await open());
        });

        test('SIGTERM closes with 1001', async () => {
            const client = await open();
            const closed = once(client, 'close');
            assert.equal(await server.stop('SIGTERM'), 0);
            assert.equal((await closed)[0], 1001);
        });
    });
}
