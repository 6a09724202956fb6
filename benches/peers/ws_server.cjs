// `ws` of npm: ws_server.cjs PORT echo|broadcast
const { WebSocketServer } = require('ws');

const [port, mode] = process.argv.slice(2);
const server = new WebSocketServer({
    host: '127.0.0.1',
    port: Number(port),
    backlog: 4096,
    maxPayload: 64 * 2 ** 20,
    perMessageDeflate: false,
});

const toSender = (connection) => (data, isBinary) => connection.send(data, { binary: isBinary });
const toAll = () => (data, isBinary) => {
    for (const receiver of server.clients) receiver.send(data, { binary: isBinary });
};
const handler = mode === 'broadcast' ? toAll : toSender;

server.on('connection', (connection) => connection.on('message', handler(connection)));
