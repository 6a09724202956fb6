// What comes in: the webhooks, and who may log in, over HTTP as the vendors speak it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { APP_SECRET } from './graph.mjs';
import { Agent, from, Relay, sign, TOKENS, VERIFY_TOKEN, WEB_SECRET } from './relay.mjs';

describe('the webhooks of the relay', { timeout: 120_000 }, () => {
    let relay, ada;

    before(async () => {
        relay = await new Relay({ ENGINE_TRUSTED_PROXIES: '127.0.0.1' }).start();
        ada = await relay.agent('ada');
    });
    after(() => relay.remove());

    test('the verification is answered with its challenge, and refused with a wrong token', async () => {
        const query = (token) => new URLSearchParams({ 'hub.mode': 'subscribe', 'hub.challenge': '1158201444', 'hub.verify_token': token });
        const right = await fetch(`${relay.url}/hook/messenger?${query(VERIFY_TOKEN)}`);
        assert.deepEqual([right.status, await right.text()], [200, '1158201444']);
        assert.match(right.headers.get('content-type'), /^text\/plain/);
        assert.equal((await fetch(`${relay.url}/hook/messenger?${query('guessed')}`)).status, 403);
    });

    test('a wrong signature is refused, and nothing of it arrives', async () => {
        const body = JSON.stringify({ object: 'page', entry: [{ messaging: [{ ...from('p1'), message: { mid: 'm', text: 'forged' } }] }] });
        for (const headers of [{}, { 'X-Hub-Signature-256': sign(body, 'guessed') }, { 'X-Hub-Signature-256': sign(body + ' ', APP_SECRET) }]) {
            assert.equal((await relay.post('/hook/messenger', body, headers)).status, 403);
        }
        await relay.says('p1', 'genuine');
        await ada.sees('genuine');
        assert.ok(!ada.texts().includes('forged'));
    });

    test('a batch of entries arrives in order, and a duplicate does not', async () => {
        const item = (psid, text) => ({ ...from(psid), message: { mid: `mid of ${text}`, text } });
        const entries = [[item('p2', 'one'), item('p3', 'two')], [item('p2', 'three'), item('p2', 'one')]];
        const body = JSON.stringify({ object: 'page', entry: entries.map((messaging) => ({ id: 'page-1', time: 1, messaging })) });
        for (let i = 0; i < 3; i++) {
            const response = await relay.post('/hook/messenger', body, { 'X-Hub-Signature-256': sign(body, APP_SECRET) });
            assert.equal(response.status, 200);
        }
        await relay.says('p2', 'the end of the batch');
        await ada.sees('the end of the batch');
        assert.deepEqual(ada.texts().filter((text) => ['one', 'two', 'three'].includes(text)), ['one', 'two', 'three']);
        assert.equal((await ada.sees('one')).conversation.id, (await ada.sees('three')).conversation.id);
        assert.notEqual((await ada.sees('one')).conversation.id, (await ada.sees('two')).conversation.id);
    });

    test('many at a time, with duplicates in flight, are each stored once', async () => {
        const texts = Array.from({ length: 40 }, (_, i) => `crowd ${i}`);
        await Promise.all([...texts, ...texts].map((text, i) => relay.says(`crowd-${i % 40 % 5}`, text)));
        await Promise.all(texts.map((text) => ada.sees(text)));
        assert.deepEqual(ada.texts().filter((text) => text.startsWith('crowd')).sort(), texts.sort());
    });

    test('an attachment is told with its address, and what a desk has no use for is accepted and dropped', async () => {
        const response = await relay.hook([
            { ...from('p4'), reaction: { reaction: 'love', action: 'react', mid: 'm1' } },
            { ...from('p4'), message: { mid: 'm2', attachments: [{ type: 'image', payload: { url: 'https://cdn.example/1.png' } }] } },
            { ...from('p4'), message: { mid: 'm3', text: 'look' } },
        ]);
        assert.equal(response.status, 200);
        const { conversation } = await ada.sees('look');
        const picture = [...ada.messages.values()].find((one) => one.conversation.id === conversation.id && one.text === '');
        assert.deepEqual(picture.attachments, [{ type: 'image', title: '', url: 'https://cdn.example/1.png' }]);
    });

    test('the web channel takes its own JSON', async () => {
        const body = JSON.stringify({ id: 'o-1', customer: { id: 'c1', name: 'Order 17' }, text: 'from the shop' });
        const post = (signature) => relay.post('/hook/web', body, { 'X-Signature-256': signature });
        assert.equal((await post(sign(body, APP_SECRET))).status, 403);
        assert.equal((await post(sign(body, WEB_SECRET))).status, 200);
        const { conversation } = await ada.sees('from the shop');
        assert.deepEqual([conversation.name, conversation.channel], ['Order 17', 'web']);
    });

    test('other paths, methods and bodies have a clear answer', async () => {
        assert.equal((await relay.post('/hook/nobody', '{}')).status, 404);
        assert.equal((await relay.post('/hook/messenger', 'no JSON', { 'X-Hub-Signature-256': sign('no JSON', APP_SECRET) })).status, 400);
        assert.equal((await fetch(`${relay.url}/hook/web`)).status, 405);
        assert.equal((await fetch(`${relay.url}/relay.ini`)).status, 404);
        assert.equal((await relay.post('/', '')).status, 405);
        assert.match(await (await fetch(`${relay.url}/health`)).text(), /^ok \d+\n$/);
        const long = 'x'.repeat(2 << 20);
        assert.equal((await relay.post('/hook/web', long, { 'X-Signature-256': sign(long, WEB_SECRET) })).status, 413);
    });

    test('without a session there is no desk', async () => {
        const { socket } = new Agent(relay.port, '');
        const [, refusal] = await new Promise((resolve) => socket.once('unexpected-response', (...all) => resolve(all)));
        assert.equal(refusal.statusCode, 401);

        const cookie = await relay.cookie('ada');
        const forged = cookie.replace('ada', 'bob');
        const other = new Agent(relay.port, forged);
        const [, second] = await new Promise((resolve) => other.socket.once('unexpected-response', (...all) => resolve(all)));
        assert.equal(second.statusCode, 401);

        const foreign = new Agent(relay.port, cookie, { Origin: 'https://evil.example' });
        const [, third] = await new Promise((resolve) => foreign.socket.once('unexpected-response', (...all) => resolve(all)));
        assert.equal(third.statusCode, 403);
        assert.deepEqual((await (await fetch(`${relay.url}/session`, { headers: { Cookie: cookie } })).json()).agent, 'ada');
        assert.deepEqual((await (await fetch(`${relay.url}/session`, { headers: { Cookie: forged } })).json()).agent, null);
    });

    test('wrong tokens are refused, and after ten the address has to wait', async () => {
        const login = (token) => relay.post('/login', JSON.stringify({ token }));
        const response = await login(TOKENS.ada);
        assert.match(response.headers.get('set-cookie'), /; HttpOnly; SameSite=Strict$/);
        const long = `{"a":[${Array(50_000).fill('[[[0]]]').join()}],"token":"${TOKENS.ada}"}`;
        assert.equal((await relay.post('/login', long)).status, 403, 'more than a token needs is not even read');
        for (let i = 0; i < 9; i++) assert.equal((await login(`guess ${i}`)).status, 403);
        assert.equal((await login('guess')).status, 429);
        assert.equal((await login(TOKENS.ada)).status, 429);
        // Behind a proxy, each client is counted by itself.
        const elsewhere = { 'X-Forwarded-For': '192.0.2.9' };
        assert.equal((await relay.post('/login', JSON.stringify({ token: TOKENS.ada }), elsewhere)).status, 200);
    });

    test('what cannot be stored is answered 503, and taken when it comes again', async () => {
        await relay.sql("CREATE TRIGGER full BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'the disk is full'); END");
        const item = { ...from('p5'), message: { mid: 'mid-once', text: 'at the second time' } };
        const refused = await relay.hook([item]);
        assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '5']);
        assert.match(relay.log, /not stored.*the disk is full/);
        await relay.sql('DROP TRIGGER full');
        for (let i = 0; i < 2; i++) assert.equal((await relay.hook([item])).status, 200);
        await relay.says('p5', 'the end');
        await ada.sees('the end');
        assert.equal(ada.texts().filter((text) => text === 'at the second time').length, 1);
    });
});
