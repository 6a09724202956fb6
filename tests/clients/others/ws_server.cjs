// `ws` of npm, as test_client wants a server: echoes, but for the words "fragments", "ping" and "close".
const { WebSocketServer } = require('ws');

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 64 * 2 ** 20, perMessageDeflate: true });

const words = {
    fragments(connection) {
        for (const [part, fin] of [['Hel', false], ['', false], ['lo, ', false], ['wörld', true]]) connection.send(part, { fin });
        for (const part of [Buffer.of(0), Buffer.alloc(70000, 0xff), Buffer.alloc(0)]) connection.send(part, { fin: false });
        connection.send(Buffer.of(1));
    },
    ping(connection) {
        connection.once('pong', (data) => connection.send(String(data) === 'are you there?' ? 'pong' : 'another pong'));
        connection.ping('are you there?');
    },
    close: (connection) => connection.close(4001, 'as you wish'),
};

server.on('connection', (connection) => {
    connection.on('message', (data, isBinary) => {
        const word = isBinary ? undefined : words[data];
        if (word) word(connection);
        else connection.send(data, { binary: isBinary });
    });
});
server.on('listening', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
