// A STAND-IN of Meta's Graph API, for tests: it is not Meta's, and nothing that passes here has reached a customer. Of the Send
// API it speaks the documented request (POST /{version}/me/messages), the documented reply, and the documented errors:
// https://developers.facebook.com/docs/messenger-platform/reference/send-api, .../error-codes and
// https://developers.facebook.com/docs/graph-api/guides/error-handling.

import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

export const APP_SECRET = 'app secret of the tests';
export const PAGE_TOKEN = 'page token of the tests';

const LONGEST_TEXT = 2000;

export class Graph {
    /** Messages that customers have got: { psid, text, metadata, mid }. */
    delivered = [];
    /** Calls that came, whatever became of them. */
    calls = 0;
    /** Called with each message that a customer has got; a test may send its echo. */
    onDelivered = () => {};
    #next = [];
    #watchers = new Set();
    #server = createServer((request, response) => this.#serve(request, response));

    /** On any free port; or again on the one it had. */
    async start(port = 0) {
        this.#server.listen(port, '127.0.0.1');
        await once(this.#server, 'listening');
        this.port = this.#server.address().port;
        this.url = `http://127.0.0.1:${this.port}`;
        return this;
    }

    async stop() {
        this.#server.closeAllConnections();
        await new Promise((resolve) => this.#server.close(resolve));
    }

    /**
     * What to do with the next calls, one each; then they are served as they should be.
     *   { code, subcode, status, transient, message }   this error
     *   { raw: status }                                 this status, with HTML
     *   { hold: promise }                               delivered at once, answered when the promise resolves
     *   { drop: true }                                  delivered, and the connection cut without a reply
     */
    next(...behaviours) {
        this.#next.push(...behaviours);
    }

    /** Resolves when `condition(this)` holds. */
    async until(condition, what) {
        const deadline = Date.now() + 20_000;
        while (!condition(this)) {
            if (Date.now() > deadline) throw new Error(`the stand-in waited for ${what} in vain: ${JSON.stringify(this.delivered)}`);
            let wake;
            const change = new Promise((resolve) => (wake = resolve));
            this.#watchers.add(wake);
            const timer = setTimeout(wake, 250);
            await change;
            clearTimeout(timer);
            this.#watchers.delete(wake);
        }
    }

    texts() {
        return this.delivered.map((message) => message.text);
    }

    async #serve(request, response) {
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        this.calls++;
        const behaviour = this.#next.shift() ?? {};
        const fault = behaviour.code ? behaviour : this.#fault(request, Buffer.concat(chunks).toString());
        try {
            if (behaviour.raw) {
                response.writeHead(behaviour.raw, { 'Content-Type': 'text/html' }).end('<html>Sorry, something went wrong.</html>');
            } else if (fault.code) {
                this.#error(response, fault);
            } else {
                const mid = `m_${this.delivered.length + 1}_${Date.now()}`;
                this.delivered.push({ ...fault, mid });
                this.onDelivered({ ...fault, mid });
                this.#changed();
                if (behaviour.drop) return request.socket.destroy();
                await behaviour.hold;
                response.writeHead(200, { 'Content-Type': 'application/json; charset=UTF-8' });
                response.end(JSON.stringify({ recipient_id: fault.psid, message_id: mid }));
            }
        } finally {
            this.#changed();
        }
    }

    /** The message, if the call is in order; what is wrong with it, if not. */
    #fault(request, body) {
        const url = new URL(request.url, this.url);
        if (request.method !== 'POST' || !/^\/v\d+\.\d+\/me\/messages$/.test(url.pathname)) {
            return { code: 2500, status: 400, message: 'Unknown path components' };
        }
        const token = url.searchParams.get('access_token');
        if (token !== PAGE_TOKEN) return { code: 190, status: 400, message: 'Invalid OAuth access token.' };
        const proof = createHmac('sha256', APP_SECRET).update(token).digest('hex');
        if (url.searchParams.get('appsecret_proof') !== proof) {
            return { code: 100, status: 400, message: 'Invalid appsecret_proof provided in the API argument' };
        }
        let call;
        try {
            call = JSON.parse(body);
        } catch {
            return { code: 100, status: 400, message: 'Invalid parameter' };
        }
        const { recipient, messaging_type: type, message } = call;
        if (typeof recipient?.id !== 'string') return { code: 100, status: 400, message: '(#100) The parameter recipient is required' };
        if (type !== 'RESPONSE') return { code: 100, status: 400, message: '(#100) Param messaging_type must be one of {RESPONSE, …}' };
        if (typeof message?.text !== 'string' || [...message.text].length > LONGEST_TEXT) {
            return { code: 100, status: 400, message: '(#100) Length of param message[text] must be less than or equal to 2000' };
        }
        return { psid: recipient.id, text: message.text, metadata: message.metadata };
    }

    #error(response, { code, subcode, status = 400, transient, message = 'An error of the test' }) {
        const error = { message, type: 'OAuthException', code, fbtrace_id: 'stand-in' };
        if (subcode) error.error_subcode = subcode;
        if (transient) error.is_transient = true;
        response.writeHead(status, { 'Content-Type': 'application/json; charset=UTF-8' }).end(JSON.stringify({ error }));
    }

    #changed() {
        for (const wake of this.#watchers) wake();
    }
}
