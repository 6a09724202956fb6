// A server under test, and the npm packages of .deps/node, for the tests that run in Node. The Python tests have server.py.

import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const require = createRequire(ROOT + '.deps/node/');

const START_DEADLINE = 20_000;

/** Starts `command` with `{port}` replaced; resolves once the process prints `listening on HOST:PORT`. */
export async function startServer(command, port = 0) {
    const [program, ...args] = command.map((word) => word.replace('{port}', port));
    const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
    // The tests end their servers; this is for a test that did not get so far.
    const cleanup = () => child.kill('SIGKILL');
    process.once('exit', cleanup);
    ended.then(() => process.off('exit', cleanup));

    let output = '';
    child.stdout.setEncoding('utf8');
    port = await new Promise((resolve, reject) => {
        const fail = (why) => reject(new Error(`${command.join(' ')}: ${why}; it printed:\n${output}`));
        const timer = setTimeout(fail, START_DEADLINE, 'not listening in time');
        child.once('error', fail);
        ended.then((status) => fail(`ended with ${status}`));
        child.stdout.on('data', (text) => {
            output += text;
            const match = /listening on \S*:(\d+)/.exec(output);
            if (match) {
                clearTimeout(timer);
                resolve(Number(match[1]));
            }
        });
    });

    return {
        port,
        url: `ws://127.0.0.1:${port}/`,
        /** Ends the server and resolves to its exit status, or the signal that killed it. */
        stop(signal = 'SIGTERM') {
            child.kill(signal);
            return ended;
        },
    };
}
