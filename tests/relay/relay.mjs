// A relay under test: the example as its user runs it, on a database of its own, with agents that speak its protocol.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { require, ROOT } from '../clients/server.mjs';
import { APP_SECRET, PAGE_TOKEN } from './graph.mjs';

export const TOKENS = { ada: 'token-of-ada-in-tests', bob: 'token-of-bob-in-tests' };
export const VERIFY_TOKEN = 'verify token of the tests';
export const WEB_SECRET = 'web secret of the tests';

const DEADLINE = 20_000;

export class Relay {
    port = 0;
    log = '';
    #child = null;

    /** settings: as RELAY_… of the environment, without that prefix. */
    constructor(settings = {}) {
        this.directory = mkdtempSync(join(tmpdir(), 'relay-'));
        this.database = join(this.directory, 'relay.sqlite');
        this.settings = {
            DATABASE: this.database,
            AGENTS: Object.entries(TOKENS).map(([name, token]) => `${name}:${token}`).join(),
            MESSENGER_VERIFY_TOKEN: VERIFY_TOKEN, MESSENGER_APP_SECRET: APP_SECRET, MESSENGER_PAGE_TOKEN: PAGE_TOKEN,
            WEB_SECRET, WEB_REPLY_URL: 'http://127.0.0.1:1/nobody',
            RETRY_FIRST: '0.05', RETRY_LONGEST: '0.2', MESSENGER_ECHO_WAIT: '1',
            ...settings,
        };
    }

    /** Starts it; after the first time, on the port that it had. */
    async start() {
        const env = { ...process.env, RELAY_LISTEN: `127.0.0.1:${this.port}` };
        for (const [name, value] of Object.entries(this.settings)) env[`RELAY_${name}`] = String(value);
        // A group of its own, which can be killed as a whole.
        this.#child = spawn('php', ['examples/relay/relay.php'], { cwd: ROOT, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
        this.ended = once(this.#child, 'exit');
        this.#child.stderr.on('data', (bytes) => (this.log += bytes));
        const cleanup = () => this.#signalGroup('SIGKILL');
        process.once('exit', cleanup);
        this.ended.then(() => process.off('exit', cleanup));
        let output = '';
        const listening = new Promise((resolve) => {
            this.#child.stdout.on('data', (bytes) => {
                output += bytes;
                const match = /listening on \S*:(\d+)/.exec(output);
                if (match) resolve(Number(match[1]));
            });
        });
        const port = await Promise.race([listening, this.ended]);
        assert.equal(typeof port, 'number', `the relay did not start: ${this.log}`);
        this.port = port;
        this.url = `http://127.0.0.1:${port}`;
        return this;
    }

    /** kill -9 of the relay alone: its sender sees it go. */
    async kill() {
        this.#child.kill('SIGKILL');
        await this.ended;
    }

    /** kill -9 of the relay and of its sender, in one blow: as when the machine loses its power. */
    async killAll() {
        this.#signalGroup('SIGKILL');
        await this.ended;
    }

    async stop() {
        this.#child.kill('SIGTERM');
        return (await this.ended)[0];
    }

    /** For the end of a test. */
    async remove() {
        if (this.#child !== null) {
            this.#signalGroup('SIGKILL');
            await this.ended;
        }
        rmSync(this.directory, { recursive: true, force: true });
    }

    get pid() {
        return this.#child.pid;
    }

    /** The process id of the sender. */
    sender() {
        return Number(readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8').trim());
    }

    /** Resolves when the sender has come as far as to open its lock. */
    senderAtLock() {
        return this.#opens(() => this.sender(), '.sender-lock');
    }

    /** The same of the relay. */
    relayAtLock() {
        return this.#opens(() => this.pid, '.relay-lock');
    }

    async #opens(pid, name) {
        const deadline = Date.now() + DEADLINE;
        const opened = () => {
            try {
                const folder = `/proc/${pid()}/fd`;
                return readdirSync(folder).some((fd) => readlinkSync(`${folder}/${fd}`).endsWith(name));
            } catch {
                return false; // not started yet, or a descriptor that was closed meanwhile
            }
        };
        while (!opened()) {
            assert.ok(Date.now() < deadline, `nobody opened a ${name}`);
            await new Promise((resolve) => setTimeout(resolve, 5));
        }
    }

    /** Resolves when this is in what it writes to stderr. */
    async logs(pattern) {
        const deadline = Date.now() + DEADLINE;
        while (!pattern.test(this.log)) {
            assert.ok(Date.now() < deadline, `no ${pattern} in ${this.log}`);
            await Promise.race([once(this.#child.stderr, 'data'), new Promise((resolve) => setTimeout(resolve, 250))]);
        }
    }

    /** Posts items to the webhook of Messenger, signed. */
    hook(items, headers = {}) {
        const body = JSON.stringify({ object: 'page', entry: [{ id: 'page-1', time: Date.now(), messaging: items }] });
        return this.post('/hook/messenger', body, { 'X-Hub-Signature-256': sign(body, APP_SECRET), ...headers });
    }

    /** A customer writes on Messenger. */
    async says(psid, text, mid = `mid-${psid}-${text}`) {
        const response = await this.hook([{ ...from(psid), message: { mid, text } }]);
        assert.equal(response.status, 200, await response.text());
    }

    /** What Messenger tells of a message that the stand-in has delivered. */
    async echo({ psid, text, metadata, mid }) {
        const message = { is_echo: true, app_id: 1, metadata, mid, text };
        const response = await this.hook([{ sender: { id: 'page-1' }, recipient: { id: psid }, timestamp: Date.now(), message }]);
        assert.equal(response.status, 200);
    }

    post(path, body, headers = {}) {
        return fetch(this.url + path, { method: 'POST', body, headers });
    }

    /** Has another process change the database. */
    async sql(statement) {
        const script = '$p = new PDO("sqlite:$argv[1]"); $p->exec("PRAGMA busy_timeout = 5000"); $p->exec($argv[2]);';
        const [code] = await once(spawn('php', ['-r', script, this.database, statement], { stdio: 'inherit' }), 'exit');
        assert.equal(code, 0);
    }

    async cookie(name) {
        const response = await this.post('/login', JSON.stringify({ token: TOKENS[name] }));
        assert.equal(response.status, 200);
        return response.headers.get('set-cookie').split(';')[0];
    }

    async agent(name, hello = {}) {
        const agent = new Agent(this.port, await this.cookie(name));
        await agent.open(hello);
        return agent;
    }

    #signalGroup(signal) {
        try {
            process.kill(-this.#child.pid, signal);
        } catch {
            // none of it is left
        }
    }
}

/** An agent without a page. */
export class Agent {
    messages = new Map();
    heard = [];
    #watchers = new Set();

    constructor(port, cookie, headers = {}) {
        const { WebSocket } = require('ws');
        this.socket = new WebSocket(`ws://127.0.0.1:${port}/desk`, { headers: { Cookie: cookie, ...headers } });
        this.socket.on('error', () => {});
        this.closed = new Promise((resolve) => this.socket.once('close', resolve));
        this.socket.on('message', (data) => {
            const message = JSON.parse(data);
            this.heard.push(message);
            for (const one of message.messages ?? []) this.messages.set(one.id, one);
            for (const wake of this.#watchers) wake();
        });
    }

    async open(hello = {}) {
        await once(this.socket, 'open');
        this.say({ type: 'hello', ...hello });
        this.welcome = await this.hears((message) => message.type === 'welcome', 'a welcome');
    }

    say(message) {
        this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
    }

    /** The first message that was heard, or will be, for which the condition holds. */
    hears(condition, what) {
        return this.#until(() => this.heard.find(condition), what);
    }

    /** The message with this text, once the condition holds for it. */
    sees(text, condition = () => true) {
        const find = () => [...this.messages.values()].find((one) => one.text === text && condition(one));
        return this.#until(find, `"${text}"`);
    }

    /** Answers the last message of a customer; the client id. */
    answers(text, conversation = 1, client = `client-${Math.random().toString(36).slice(2)}-x`) {
        this.say({ type: 'answer', conversation, text, client });
        return client;
    }

    texts() {
        return [...this.messages.values()].sort((a, b) => a.id - b.id).map((one) => one.text);
    }

    async leave() {
        this.socket.close();
        await this.closed;
    }

    async #until(find, what) {
        const deadline = Date.now() + DEADLINE;
        for (;;) {
            const found = find();
            if (found) return found;
            if (Date.now() > deadline) throw new Error(`an agent waited for ${what} in vain, and heard ${JSON.stringify(this.heard)}`);
            let wake;
            const change = new Promise((resolve) => (wake = resolve));
            this.#watchers.add(wake);
            const timer = setTimeout(wake, 250);
            await change;
            clearTimeout(timer);
            this.#watchers.delete(wake);
        }
    }
}

export function sign(body, secret) {
    return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

export function from(psid) {
    return { sender: { id: psid }, recipient: { id: 'page-1' }, timestamp: Date.now() };
}
