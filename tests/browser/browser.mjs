// Headless Chromium, from the system's packages, driven by playwright-core.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { require } from '../clients/server.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

// A fresh profile is playwright's own doing. The rest: no sandbox, for root and containers; nothing that calls home.
const FLAGS = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
];

/** The path of a Chromium on PATH, or CHROMIUM where that is set; undefined if there is none. */
export function findChromium() {
    if (process.env.CHROMIUM) return process.env.CHROMIUM;
    for (const directory of process.env.PATH.split(delimiter)) {
        for (const name of NAMES) {
            try {
                accessSync(join(directory, name), constants.X_OK);
                return join(directory, name);
            } catch {
                // not here
            }
        }
    }
}

export function launch(options = {}) {
    const { chromium } = require('playwright-core');
    return chromium.launch({ executablePath: findChromium(), headless: true, args: FLAGS, ...options });
}

if (process.argv[2] === '--check') {
    // For scripts/setup and scripts/run-browser-tests: can this machine start a browser at all?
    try {
        if (!findChromium()) throw new Error(`none of ${NAMES.join(', ')} is on PATH`);
        const browser = await launch({ timeout: 30_000 });
        console.log(`Chromium ${browser.version()}: ${findChromium()}`);
        await browser.close();
    } catch (error) {
        console.log(String(error.message).split('\n')[0]);
        process.exit(1);
    }
}
