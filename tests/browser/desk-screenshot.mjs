// Takes the picture of examples/relay/README.md: the desk of an agent, 1200 pixels wide, with the stand-in of the Graph API.
//
//     node tests/browser/desk-screenshot.mjs [FILE]        docs/relay.png when not given

import { resolve } from 'node:path';
import { ROOT } from '../clients/server.mjs';
import { Graph } from '../relay/graph.mjs';
import { from, Relay, sign, WEB_SECRET } from '../relay/relay.mjs';
import { launch } from './browser.mjs';
import { answer, choose, logIn, sees, visit } from './desk.mjs';

const file = resolve(ROOT, process.argv[2] ?? 'docs/relay.png');
const graph = await new Graph().start();
const relay = await new Relay({ MESSENGER_BASE_URL: graph.url, DESK_NAME: 'Parcel desk' }).start();
const browser = await launch();

async function order(number, text) {
    const body = JSON.stringify({ id: text, customer: { id: String(number), name: `Order ${number}` }, text });
    await relay.post('/hook/web', body, { 'X-Signature-256': sign(body, WEB_SECRET) });
}

try {
    const looks = { viewport: { width: 1200, height: 720 }, deviceScaleFactor: 2, locale: 'en-GB', reducedMotion: 'reduce' };
    const ada = await visit(browser, relay, looks);
    const bob = await visit(browser, relay, looks);
    await Promise.all([logIn(ada, 'ada'), logIn(bob, 'bob')]);

    await order(1187, 'Thank you, it has arrived!');
    await order(2204, 'Can I change the address?');
    await relay.says('800417', 'Good morning! Is it possible to pick it up instead?');
    await relay.says('800230', 'Hello, I was not at home when the parcel came.');
    await Promise.all([choose(ada, '800230'), choose(bob, '800230')]);
    await answer(ada, 'Good morning! It is with your neighbours, at number 12.');
    await sees(ada, 'Good morning! It is with your neighbours, at number 12.', 'sent');
    await relay.hook([{ ...from('800230'), read: { watermark: Date.now() } }]);
    await sees(ada, 'Good morning! It is with your neighbours, at number 12.', 'read');
    await relay.says('800230', 'Found it, thanks. Can I still send one of the two back?');
    await answer(bob, 'Of course: the label is in the box, and any post office takes it.');
    await sees(ada, 'Of course: the label is in the box, and any post office takes it.', 'sent');
    await relay.hook([{ ...from('800230'), delivery: { mids: [graph.delivered[1].mid], watermark: 1 } }]);
    await sees(ada, 'Of course: the label is in the box, and any post office takes it.', 'delivered');
    graph.next(...Array.from({ length: 20 }, () => ({ code: 1200, message: 'Temporary send message failure. Please try again later.' })));
    await answer(ada, 'Shall we call you when the other one is here?');
    await ada.locator('#messages li[data-state="queued"] .state', { hasText: 'Trying again' }).waitFor();
    await order(2204, 'It has a new number, 15 b');
    await ada.locator('#conversations .badge', { hasText: '2' }).waitFor();
    await ada.mouse.move(800, 600);
    await ada.screenshot({ path: file });
    console.log(file);
} finally {
    await browser.close();
    await relay.remove();
    await graph.stop();
}
