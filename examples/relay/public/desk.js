// The desk of an agent: what is known of the conversations, kept true by the relay's news, and shown.

import { Line, unsaid } from './line.js';
import { agentItem, channelName, conversationItem, messageItem, updateMessage } from './view.js';

const $ = (id) => document.getElementById(id);
const NEAR_THE_END = 120;
const SAY_AGAIN_EVERY = 15_000;

/** id => { id, name, channel, last, unseen, messages: Map, loaded, more, from } */
const conversations = new Map();
const drafts = new Map();
const rows = new Map(); // message id or client id => its <li>, of the conversation that is shown
let me = '', desk = '', seq = 0, chosen = 0, longest = {}, agents = [], title = document.title;

const line = new Line({
    opened: () => hello(),
    received: (message) => hear[message.type]?.(message),
    lost: (wait) => status(`Connection lost. Trying again in ${Math.max(1, Math.round(wait / 1000))} s …`, false),
    loggedOut: () => door(),
});

// ---- what the relay says ----------------------------------------------------------------------------------------

// The relay could not store an answer, perhaps: what it does not have is said again. It knows the answer by its id.
setInterval(() => $('status').classList.contains('live') && unsaid.all(me, desk).forEach(say), SAY_AGAIN_EVERY);

function hello() {
    line.say({ type: 'hello', desk, since: seq, looking: chosen });
}

const hear = {
    welcome(message) {
        if (message.fresh) conversations.clear();
        if (message.desk !== desk) chosen = 0; // another database: its conversations have other numbers
        ({ me, desk, seq, longest } = message);
        message.messages.forEach((one) => learn(one, message.fresh));
        status('Live', true);
        unsaid.all(me, desk).forEach(say);
        if (chosen !== 0 && !conversations.get(chosen)?.loaded) show(chosen);
        list();
    },
    news(message) {
        // Some news did not reach us: ask for all since the last that did.
        if (message.after > seq) return hello();
        message.messages.forEach((one) => learn(one));
        seq = Math.max(seq, message.seq);
        list();
    },
    known(message) {
        message.messages.forEach((one) => learn(one));
        list();
    },
    pong(message) {
        if (message.seq > seq) hello();
    },
    found(message) {
        message.messages.filter((one) => !conversations.has(one.conversation.id)).forEach((one) => learn(one, true));
        list();
    },
    earlier(message) {
        const conversation = conversations.get(message.conversation);
        if (conversation === undefined) return;
        if (!conversation.loaded) conversation.messages.clear();
        Object.assign(conversation, { loaded: true, more: message.more });
        message.messages.forEach((one) => conversation.messages.set(one.id, one));
        conversation.from = Math.min(...conversation.messages.keys());
        // A receipt for an old answer may have been the first that was heard of this conversation.
        conversation.last = conversation.messages.get(Math.max(...conversation.messages.keys())) ?? conversation.last;
        if (conversation.id === chosen) fill(conversation);
        list();
    },
    agents(message) {
        agents = message.agents;
        $('agents').replaceChildren(...agents.map((agent) => agentItem(agent, me)));
        whoElse();
    },
    refused(message) {
        const answer = unsaid.all(me, desk).find((one) => one.client === message.client);
        unsaid.remove(message.client);
        rows.get(message.client)?.remove();
        $('refused').textContent = `Not accepted: ${message.why}`;
        if (answer && answer.conversation === chosen && $('text').value === '') $('text').value = answer.text;
    },
};

/** Takes a message as the relay has it; an older state than the known one changes nothing. */
function learn(message, isOld = false) {
    const { id, name, channel } = message.conversation;
    let conversation = conversations.get(id);
    if (conversation === undefined) {
        conversation = { id, name, channel, last: message, unseen: 0, messages: new Map(), loaded: false, more: true, from: 0 };
        conversations.set(id, conversation);
    }
    conversation.name = name;
    if (message.client !== '') unsaid.remove(message.client);
    const known = conversation.messages.get(message.id);
    if (known !== undefined && known.seq >= message.seq) return;
    // Of a page that is not loaded: it will come with its neighbours.
    if (known === undefined && message.id < (conversation.loaded ? conversation.from : conversation.last.id)) return;
    conversation.messages.set(message.id, message);
    if (message.id >= conversation.last.id) conversation.last = message;
    const isShown = id === chosen && conversation.loaded;
    if (isShown) place(message);
    if (known === undefined && message.agent === null && !isOld && !(id === chosen && document.visibilityState === 'visible')) {
        conversation.unseen++;
    }
}

// ---- answers ------------------------------------------------------------------------------------------------------

function say(answer) {
    if (answer.conversation === chosen && !rows.has(answer.client)) place(asMessage(answer));
    line.say({ type: 'answer', conversation: answer.conversation, text: answer.text, client: answer.client });
}

function asMessage(answer) {
    return { ...answer, id: answer.client, attachments: [], state: 'unsaid' };
}

function compose() {
    const text = $('text').value.trim();
    if (text === '' || chosen === 0 || text.length > room()) return;
    $('refused').textContent = '';
    // getRandomValues and not randomUUID: that one is for https alone.
    const client = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const answer = { client, agent: me, desk, conversation: chosen, text, at: Date.now() };
    unsaid.add(answer);
    say(answer);
    $('text').value = '';
    drafts.delete(chosen);
    measure();
    $('scroll').scrollTop = $('scroll').scrollHeight;
}

function again(id) {
    line.say({ type: 'again', id });
}

// ---- what is shown --------------------------------------------------------------------------------------------------

function list() {
    const wanted = $('find').value.trim().toLowerCase();
    const sorted = [...conversations.values()].sort((a, b) => b.last.id - a.last.id);
    const shown = sorted.filter((one) => one.name.toLowerCase().includes(wanted));
    const focused = document.activeElement?.closest('#conversations li')?.dataset.id;
    $('conversations').replaceChildren(...shown.map((one) => conversationItem(one, one.id === chosen, () => show(one.id))));
    if (focused) $('conversations').querySelector(`[data-id="${focused}"] button`)?.focus();
    $('nobody').hidden = shown.length > 0;
    $('nobody').textContent = sorted.length > 0 ? 'No such customer.' : 'Nobody has written yet.';
    const unseen = sorted.reduce((sum, one) => sum + one.unseen, 0);
    document.title = (unseen > 0 ? `(${unseen}) ` : '') + title;
}

function show(id) {
    const conversation = conversations.get(id);
    if (chosen !== 0 && chosen !== id) drafts.set(chosen, $('text').value);
    $('unchosen').hidden = conversation !== undefined;
    $('chosen').hidden = conversation === undefined;
    $('desk').classList.toggle('reading', conversation !== undefined);
    if (conversation === undefined) {
        chosen = 0;
        return list();
    }
    const isOther = chosen !== id;
    chosen = id;
    conversation.unseen = 0;
    $('customer').textContent = conversation.name;
    $('channel').textContent = channelName(conversation.channel);
    $('refused').textContent = '';
    if (isOther) {
        $('text').value = drafts.get(id) ?? '';
        line.say({ type: 'look', conversation: id });
        $('text').focus();
    }
    if (!conversation.loaded) line.say({ type: 'earlier', conversation: id, before: 0 });
    fill(conversation);
    list();
    whoElse();
    measure();
}

/** All messages of a conversation, anew. */
function fill(conversation) {
    const scroll = $('scroll');
    const fromTheEnd = rows.size > 0 ? scroll.scrollHeight - scroll.scrollTop : 0;
    rows.clear();
    $('messages').replaceChildren();
    const messages = conversation.loaded ? [...conversation.messages.values()].sort((a, b) => a.id - b.id) : [];
    messages.forEach(place);
    unsaid.all(me, desk).filter((one) => one.conversation === conversation.id).map(asMessage).forEach(place);
    $('earlier').hidden = !conversation.loaded || !conversation.more;
    scroll.scrollTop = scroll.scrollHeight - fromTheEnd;
}

/** One message, where it belongs: ids are in the order of the conversation, and what the relay does not have comes last. */
function place(message) {
    const scroll = $('scroll');
    const isAtEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_THE_END;
    const row = rows.get(message.id) ?? rows.get(message.client);
    const item = row ?? messageItem(message, again);
    if (row !== undefined) updateMessage(row, message, again);
    rows.delete(message.client);
    rows.set(message.id, item);
    const order = typeof message.id === 'number' ? message.id : Infinity;
    if (item.order !== order) {
        item.order = order;
        let next = null;
        for (let other = $('messages').lastElementChild; other !== null; other = other.previousElementSibling) {
            if (other === item) continue;
            if (other.order <= order) break;
            next = other;
        }
        $('messages').insertBefore(item, next);
    }
    if (isAtEnd) scroll.scrollTop = scroll.scrollHeight;
}

function whoElse() {
    const others = agents.filter((agent) => agent.name !== me && agent.looking.includes(chosen)).map((agent) => agent.name);
    $('others').textContent = others.length > 0 ? `${others.join(' and ')} ${others.length > 1 ? 'are' : 'is'} here, too` : '';
}

function room() {
    return longest[conversations.get(chosen)?.channel] ?? Infinity;
}

function measure() {
    const left = room() - $('text').value.trim().length;
    $('room').textContent = left < 200 ? `${left} characters left` : '';
    $('send').disabled = left < 0;
}

function status(words, isLive) {
    $('status').textContent = words;
    $('status').classList.toggle('live', isLive);
}

// ---- coming and going -------------------------------------------------------------------------------------------------

function door() {
    line.hangUp();
    conversations.clear();
    show(0);
    // The next one to log in may be somebody else.
    drafts.clear();
    rows.clear();
    $('messages').replaceChildren();
    $('text').value = '';
    [desk, seq] = ['', 0];
    $('desk').hidden = true;
    $('door').hidden = false;
    $('token').focus();
}

function enter() {
    $('door').hidden = true;
    $('desk').hidden = false;
    status('Connecting …', false);
    line.connect();
}

$('login').addEventListener('submit', async (event) => {
    event.preventDefault();
    $('login-error').textContent = '';
    try {
        const response = await fetch('/login', { method: 'POST', body: JSON.stringify({ token: $('token').value.trim() }) });
        if (!response.ok) throw new Error(await response.text());
        $('token').value = '';
        enter();
    } catch (error) {
        $('login-error').textContent = error.message;
        $('token').select();
    }
});
$('logout').addEventListener('click', async () => {
    await fetch('/logout', { method: 'POST' }).catch(() => {});
    door();
});
$('compose').addEventListener('submit', (event) => {
    event.preventDefault();
    compose();
});
$('text').addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        compose();
    }
});
$('text').addEventListener('input', measure);
$('find').addEventListener('input', () => {
    list();
    const name = $('find').value.trim();
    if (name !== '') line.say({ type: 'find', name }); // among those who have not written for long, too
});
$('back').addEventListener('click', () => show(0));
$('earlier').addEventListener('click', () => {
    line.say({ type: 'earlier', conversation: chosen, before: conversations.get(chosen).from });
});
document.addEventListener('visibilitychange', () => {
    const conversation = conversations.get(chosen);
    if (document.visibilityState === 'visible' && conversation?.unseen > 0) {
        conversation.unseen = 0;
        list();
    }
});

const session = await (await fetch('/session')).json();
title = document.title = session.desk;
document.querySelectorAll('.desk-name').forEach((element) => (element.textContent = session.desk));
document.querySelectorAll('.notice').forEach((element) => {
    element.textContent = session.notice;
    element.hidden = session.notice === '';
});
session.agent === null ? door() : enter();
