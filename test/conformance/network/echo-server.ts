/** `bun echo-server.ts PORT`: sends back what it gets over TCP. */
import { createServer } from "node:net";

const server = createServer((socket) => {
  socket.on("error", () => socket.destroy());
  socket.pipe(socket);
});
server.listen(Number(process.argv[2]), "::", () => console.log("ready"));
