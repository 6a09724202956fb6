// Takes the picture of the README: a chat of two people, side by side, 1200 pixels wide.
//
//     node tests/browser/screenshot.mjs [FILE]        docs/chat.png when not given

import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ROOT, startServer } from '../clients/server.mjs';
import { launch } from './browser.mjs';
import { COMMAND, hears, join, online, say, visit } from './chat.mjs';

const file = resolve(ROOT, process.argv[2] ?? 'docs/chat.png');
const browser = await launch();
const server = await startServer(COMMAND);
try {
    const looks = { viewport: { width: 600, height: 640 }, deviceScaleFactor: 2, locale: 'en-GB', reducedMotion: 'reduce' };
    const agent = await visit(browser, server.port, looks);
    const visitor = await visit(browser, server.port, looks);
    await join(agent, 'Agent');
    await join(visitor, 'Visitor');
    await Promise.all([online(agent, 2), online(visitor, 2)]);

    const conversation = [
        [agent, 'Good morning! Is this really one PHP process?'],
        [visitor, 'One PHP process, one .so file. No Nginx, no PECL, no Node.'],
        [agent, 'And the page came from the same port?'],
        [visitor, 'From the same port: http://, then ws://'],
    ];
    for (const [page, text] of conversation) {
        await say(page, text);
        await Promise.all([hears(agent, text), hears(visitor, text)]);
    }

    // Both halves into one image, in a page of its own.
    const halves = await Promise.all([agent, visitor].map((page) => page.screenshot()));
    const sheet = await browser.newPage({ viewport: { width: 1200, height: 640 } });
    await sheet.setContent(
        '<style>body { margin: 0; display: flex } img { width: 600px; height: 640px; box-sizing: border-box }' +
            'img + img { border-left: 1px solid #8888 }</style>' +
            halves.map((png) => `<img src="data:image/png;base64,${png.toString('base64')}">`).join(''),
    );
    await sheet.waitForFunction(() => [...document.images].every((image) => image.complete));
    mkdirSync(dirname(file), { recursive: true });
    await sheet.screenshot({ path: file });
    console.log(file);
} finally {
    await browser.close();
    await server.stop('SIGKILL');
}
