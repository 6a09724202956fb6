// How the relay starts, or says why it does not.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT, startServer } from '../clients/server.mjs';
import { Relay } from './relay.mjs';

describe('starting the relay', { timeout: 60_000 }, () => {
    let directory;

    before(() => (directory = mkdtempSync(join(tmpdir(), 'relay-'))));
    after(() => rmSync(directory, { recursive: true, force: true }));

    /** Its exit status and what it says on stderr. */
    async function ends(args, settings = {}) {
        const env = { ...process.env, RELAY_DATABASE: join(directory, 'relay.sqlite'), RELAY_LISTEN: '127.0.0.1:0' };
        Object.assign(env, { RELAY_AGENTS: 'ada:token-of-ada-in-tests' }, settings);
        const child = spawn('php', ['examples/relay/relay.php', ...args], { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'pipe'] });
        let errors = '';
        child.stderr.on('data', (bytes) => (errors += bytes));
        const [status] = await once(child, 'close');
        return [status, errors];
    }

    test('a mistake ends it, with one line that says which', async () => {
        assert.deepEqual(await ends(['a', 'b']), [2, 'usage: php relay.php [relay.ini]\n']);
        assert.deepEqual(await ends(['/nowhere.ini']), [1, 'relay: /nowhere.ini: cannot be read as an ini file\n']);
        const nobody = await ends([], { RELAY_AGENTS: '' });
        assert.equal(nobody[0], 1);
        assert.match(nobody[1], /^relay: agents: none.*\n$/);
        const nowhere = await ends([], { RELAY_DATABASE: '/nowhere/relay.sqlite' });
        assert.equal(nowhere[0], 1);
        assert.match(nowhere[1], /^relay: \/nowhere\/relay.sqlite: .*\n$/);
        const option = await ends([], { RELAY_ENGINE_NO_SUCH_OPTION: '1' });
        assert.equal(option[0], 1);
        assert.match(option[1], /^relay: .*no_such_option.*\n$/);
        const many = await ends([], { RELAY_ENGINE_MAX_CONNECTIONS: '2000' });
        assert.equal(many[0], 1);
        assert.match(many[1], /^relay: engine.max_connections: .*\n$/);
        const other = createServer().listen(0, '127.0.0.1');
        await once(other, 'listening');
        const taken = await ends([], { RELAY_LISTEN: `127.0.0.1:${other.address().port}` });
        other.close();
        assert.equal(taken[0], 1);
        assert.match(taken[1], /^relay: .*(in use|ADDRESS_IN_USE).*\n$/i);
    });

    test('a lock that outlives a killed relay by a moment is waited for', async () => {
        const relay = new Relay();
        const script = '$f = fopen($argv[1], "c"); flock($f, LOCK_EX); echo "held\\n"; fgets(STDIN);';
        const holder = spawn('php', ['-r', script, `${relay.database}.relay-lock`], { stdio: ['pipe', 'pipe', 'inherit'] });
        await once(holder.stdout, 'data');
        const started = relay.start();
        await relay.relayAtLock();
        holder.stdin.end();
        await started;
        assert.equal(await relay.stop(), 0);
        await relay.remove();
    });

    test('a Unix socket can be reached by another user, such as nginx', async () => {
        const socket = join(directory, 'socket');
        const relay = await new Relay({ LISTEN: `unix:${socket}` }).start();
        assert.equal(statSync(socket).mode & 0o006, 0o006);
        assert.equal(statSync(relay.database).mode & 0o077, 0, 'and the mail of customers by nobody');
        assert.equal(await relay.stop(), 0);
        await relay.remove();
    });

    test('the example of the settings starts it, with a token filled in', async () => {
        const example = readFileSync(join(ROOT, 'examples/relay/relay.ini.example'), 'utf8');
        const file = join(directory, 'relay.ini');
        writeFileSync(file, example
            .replace('listen = 127.0.0.1:8080', 'listen = 127.0.0.1:0')
            .replace('/var/lib/relay', directory)
            .replace('ada =', 'ada = token-of-ada-in-tests')
            .replace('app_secret =', 'app_secret = secret'));
        const relay = await startServer(['php', 'examples/relay/relay.php', file]);
        const login = await fetch(`http://127.0.0.1:${relay.port}/login`, {
            method: 'POST',
            body: JSON.stringify({ token: 'token-of-ada-in-tests' }),
        });
        assert.match(login.headers.get('set-cookie'), /; Secure$/);
        assert.equal((await fetch(`http://127.0.0.1:${relay.port}/hook/messenger`)).status, 403);
        assert.equal((await fetch(`http://127.0.0.1:${relay.port}/hook/web`)).status, 404);
        assert.equal(await relay.stop(), 0);
    });
});
