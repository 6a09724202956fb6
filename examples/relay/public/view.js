// From data to elements. Names and texts are other people's: they go in as text, never as HTML.

const CHANNELS = { messenger: 'Messenger', web: 'Web' };
const STATES = {
    queued: (m) => (m.attempts === 0 ? ['Sending …', 'warn'] : [`Trying again at ${clock(m.due)}: ${m.note}`, 'warn']),
    sending: () => ['Sending …', 'warn'],
    doubt: (m) => [`Did it arrive? Sent again at ${clock(m.due)} unless its echo comes: ${m.note}`, 'warn'],
    sent: () => ['✓ Sent', 'good'],
    delivered: () => ['✓✓ Delivered', 'good'],
    read: () => ['✓✓ Read', 'good'],
    failed: (m) => [`Not sent: ${m.note}`, 'bad'],
    unsaid: () => ['Waits for the line', 'warn'],
};

export function channelName(channel) {
    return CHANNELS[channel] ?? channel;
}

function clock(milliseconds) {
    return new Date(milliseconds).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

function when(milliseconds) {
    const date = new Date(milliseconds);
    const isToday = date.toDateString() === new Date().toDateString();
    return isToday ? clock(milliseconds) : date.toLocaleDateString([], { day: 'numeric', month: 'short' });
}

function make(tag, className = '', text = '') {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    return element;
}

export function face(name) {
    const initials = name.split(/\s+/u).slice(0, 2).map((word) => [...word][0] ?? '').join('').toUpperCase();
    const element = make('span', 'face', initials);
    element.setAttribute('aria-hidden', 'true');
    let hue = 7;
    for (const letter of name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
    element.style.setProperty('--hue', hue);
    return element;
}

/** What stands for a message in the list of conversations. */
function summary(message) {
    if (message.text !== '') return message.text;
    return message.attachments.length > 0 ? `[${message.attachments.map((a) => a.type).join(', ')}]` : '[not shown here]';
}

export function conversationItem(conversation, isChosen, choose) {
    const item = make('li');
    const { last } = conversation;
    const isWaiting = last.agent === null;
    item.classList.toggle('waiting', isWaiting);
    item.setAttribute('aria-current', String(isChosen));
    item.dataset.id = conversation.id;
    const button = make('button');
    const time = make('time', '', when(last.at));
    const text = make('span', 'last', (isWaiting ? '' : `${last.agent}: `) + summary(last));
    if (last.state === 'failed') text.prepend(make('b', 'error', 'Not sent '));
    button.append(face(conversation.name), make('span', 'who', conversation.name), time, text);
    if (conversation.unseen > 0) {
        const badge = make('span', 'badge', String(conversation.unseen));
        badge.setAttribute('aria-label', `${conversation.unseen} new`);
        button.append(badge);
    } else if (isWaiting) {
        const badge = make('span', 'badge waits', 'waits');
        button.append(badge);
    }
    button.addEventListener('click', choose);
    item.append(button);
    return item;
}

export function agentItem(agent, me) {
    const item = make('li', agent.name === me ? 'me' : '');
    item.append(face(agent.name), agent.name === me ? `${agent.name} (you)` : agent.name);
    return item;
}

export function messageItem(message, again) {
    const item = make('li', `new ${message.agent === null ? 'theirs' : 'ours'}`);
    const text = make('div', 'text', message.text);
    for (const attachment of message.attachments) text.append(attachmentLine(attachment, text.hasChildNodes()));
    if (!text.hasChildNodes()) text.append(make('i', '', 'A message of a kind that is not shown here'));
    item.append(text, make('div', 'meta'));
    updateMessage(item, message, again);
    return item;
}

/** What can change of a message that is shown: its state. */
export function updateMessage(item, message, again) {
    const meta = item.querySelector('.meta');
    item.dataset.state = message.state;
    item.classList.toggle('waits', message.state === 'unsaid');
    meta.replaceChildren(make('span', '', message.agent ?? ''), make('time', '', clock(message.at)));
    if (message.agent === null) meta.firstChild.remove();
    if (message.state in STATES) {
        const [words, mood] = STATES[message.state](message);
        meta.append(make('span', `state ${mood}`, words));
    }
    if (message.state === 'failed') {
        const button = make('button', 'again', 'Try again');
        button.addEventListener('click', () => again(message.id));
        meta.append(button);
    }
}

function attachmentLine(attachment, isBelow) {
    const words = `${attachment.type}${attachment.title ? `: ${attachment.title}` : ''}`;
    const line = make('div');
    if (!isBelow) line.className = 'first';
    if (/^https:\/\//i.test(attachment.url)) {
        const link = make('a', '', `📎 ${words}`);
        link.href = attachment.url;
        link.target = '_blank';
        link.rel = 'noopener noreferrer';
        line.append(link);
    } else {
        line.textContent = `📎 ${words}`;
    }
    return line;
}
