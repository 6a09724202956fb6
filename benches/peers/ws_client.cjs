// `ws` of npm as a client: ws_client.cjs PORT CONNECTIONS SIZE IN_FLIGHT WARM_UP SECONDS
const { WebSocket } = require('ws');

const [port, connections, size, inFlight, warmUp, seconds] = process.argv.slice(2).map(Number);
const payload = Buffer.alloc(size, 'x');
const text = { binary: false };
let messages = 0;
let opened = 0;

for (let i = 0; i < connections; i++) {
    const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false, maxPayload: 64 * 2 ** 20 });
    client.on('open', () => {
        opened++;
        if (opened === connections) setTimeout(measure, warmUp * 1000);
        for (let k = 0; k < inFlight; k++) client.send(payload, text);
    });
    client.on('message', (data) => {
        if (data.length !== size) throw new Error(`an answer of ${data.length} bytes`);
        messages++;
        client.send(payload, text);
    });
    client.on('close', () => {
        throw new Error('the server hung up');
    });
}

function measure() {
    const before = messages;
    const started = process.hrtime.bigint();
    const cpu = process.cpuUsage();
    setTimeout(() => {
        const took = Number(process.hrtime.bigint() - started) / 1e9;
        const used = process.cpuUsage(cpu);
        const busy = (used.user + used.system) / 1e6 / took;
        console.log(`messages_per_second=${((messages - before) / took).toFixed(0)} load_cpu=${busy.toFixed(3)}`);
        process.exit(0);
    }, seconds * 1000);
}
