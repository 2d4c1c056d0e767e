// A shop of one page.
const http = require("node:http");
const { greeting } = require("greeting");

const pages = {
  "/healthz": () => "ok",
  "/version": () => process.env.GIT_SHA || "",
  "/items": () => JSON.stringify([{ name: greeting("chair"), price: "20" }]),
};

const server = http.createServer((request, response) => {
  const page = pages[request.url];
  response.statusCode = page ? 200 : 404;
  response.end(page ? page() : "");
});

if (require.main === module) {
  server.listen(Number(process.env.PORT || 8000), process.env.HOST || "127.0.0.1");
  process.on("SIGTERM", () => server.close(() => process.exit(0)));
}

module.exports = { pages };
