/** `bun who-server.ts PORT`: tells everybody whom it sees, over HTTP and UDP and both versions of IP. */
import { createSocket } from "node:dgram";
import { createServer } from "node:http";

const port = Number(process.argv[2]);
const plain = (address = ""): string => address.replace(/^::ffff:/, "");

const datagrams = createSocket("udp6");
datagrams.on("message", (_, { address, port: from }) => datagrams.send(plain(address), from, address));
const requests = createServer(({ socket }, response) => response.end(plain(socket.remoteAddress)));
datagrams.bind(port, "::", () => requests.listen(port, "::", () => console.log("ready")));
