// The line to the relay: a WebSocket that comes back by itself, and answers that are kept until the relay has them.

const FIRST_WAIT = 300;
const LONGEST_WAIT = 10_000;
const PING_EVERY = 20_000;
const PONG_WITHIN = 8_000;
const CONNECTED_WITHIN = 8_000;
const KEPT = 'relay.answer.';

export class Line {
    #socket = null;
    #attempts = 0;
    #timer = null;
    #pinger = null;
    #deadline = null;
    #handlers;

    /** handlers: opened(), received(message), lost(secondsToWait), loggedOut() */
    constructor(handlers) {
        this.#handlers = handlers;
        // Back from sleep or from a tunnel: no reason to wait any longer.
        addEventListener('online', () => this.#timer !== null && this.connect());
    }

    connect() {
        clearTimeout(this.#timer);
        this.#timer = null;
        const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/desk`);
        this.#socket = socket;
        let hasOpened = false;
        socket.onopen = () => {
            hasOpened = true;
            this.#handlers.opened();
        };
        socket.onmessage = (event) => {
            if (socket !== this.#socket) return;
            this.#attempts = 0;
            clearTimeout(this.#deadline);
            this.#handlers.received(JSON.parse(event.data));
        };
        socket.onclose = () => socket === this.#socket && this.#closed(hasOpened);
        clearInterval(this.#pinger);
        this.#pinger = setInterval(() => this.#ping(), PING_EVERY);
        // Nor does a network that swallows everything refuse: browsers would wait for minutes.
        this.#expect(CONNECTED_WITHIN);
    }

    /** False when there is no line now. */
    say(message) {
        if (this.#socket?.readyState !== WebSocket.OPEN) return false;
        this.#socket.send(JSON.stringify(message));
        return true;
    }

    hangUp() {
        const socket = this.#socket;
        this.#socket = null;
        clearTimeout(this.#timer);
        clearInterval(this.#pinger);
        clearTimeout(this.#deadline);
        socket?.close();
    }

    async #closed(hadOpened) {
        clearInterval(this.#pinger);
        clearTimeout(this.#deadline);
        this.#socket = null;
        // A page may not see why an upgrade was refused: the session tells whether it is for want of one.
        if (!hadOpened && (await agentOfSession()) === null) {
            this.#handlers.loggedOut();
            return;
        }
        const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#attempts++) * (0.7 + 0.6 * Math.random());
        this.#handlers.lost(wait);
        this.#timer = setTimeout(() => this.connect(), wait);
    }

    // A network that has gone says nothing: without an answer to this, the line is dead.
    #ping() {
        if (this.say({ type: 'ping' })) {
            this.#expect(PONG_WITHIN);
        }
    }

    /** Something has to be heard within this time. */
    #expect(milliseconds) {
        clearTimeout(this.#deadline);
        this.#deadline = setTimeout(() => {
            const socket = this.#socket;
            if (socket === null) return;
            socket.onclose = null;
            socket.close();
            this.#closed(true);
        }, milliseconds);
    }
}

/** The agent whose session this is; null if nobody's; undefined while the relay cannot be asked. */
async function agentOfSession() {
    try {
        return (await (await fetch('/session', { signal: AbortSignal.timeout(CONNECTED_WITHIN) })).json()).agent;
    } catch {
        return undefined;
    }
}

/** Answers that the relay may not have yet. They outlive a reload of the page; each is said again until it is seen back. */
export const unsaid = {
    add(answer) {
        localStorage.setItem(KEPT + answer.client, JSON.stringify(answer));
    },
    remove(client) {
        localStorage.removeItem(KEPT + client);
    },
    /** Of this agent, at this desk: the conversations of another have other numbers. */
    all(agent, desk) {
        const answers = [];
        for (let i = 0; i < localStorage.length; i++) {
            const key = localStorage.key(i);
            if (key.startsWith(KEPT)) answers.push(JSON.parse(localStorage.getItem(key)));
        }
        return answers.filter((answer) => answer.agent === agent && answer.desk === desk).sort((a, b) => a.at - b.at);
    },
};
