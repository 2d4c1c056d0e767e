const test = require("node:test");
const assert = require("node:assert");
const { pages } = require("../server.js");

test("the shop greets", () => {
  assert.equal(JSON.parse(pages["/items"]())[0].name, "hello, chair");
});
