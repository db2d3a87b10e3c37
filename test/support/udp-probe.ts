/**
 * `bun udp-probe.ts serve ADDRESS PORT`: answers every datagram with the sender's address. `bun udp-probe.ts ask ADDRESS PORT`: sends one and
 * prints the answer; the kernel lets only one from whom it was sent to pass. Asks again until somebody answers, for a second.
 */
import { createSocket } from "node:dgram";

const [role = "", address = "", port = ""] = process.argv.slice(2);
const socket = createSocket(address.includes(":") ? "udp6" : "udp4");

if (role === "serve") {
  socket.on("message", (_, sender) => socket.send(sender.address, sender.port, sender.address));
  socket.bind(Number(port), address);
} else {
  socket.on("error", () => {}); // refused: nobody is there yet, or ever
  socket.connect(Number(port), address, () => {
    socket.send("who?");
    setInterval(() => socket.send("who?"), 100);
  });
  socket.on("message", (answer) => {
    console.log(answer.toString());
    process.exit(0);
  });
  setTimeout(() => process.exit(1), 1000);
}
