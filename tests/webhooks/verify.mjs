// Says of each delivery of the standard input what the libraries of receivers make of it: one JSON object a line in,
// `{secret, headers, body}`, and one a line out, what each library says by its name: "ok", or why not.
import { createInterface } from "node:readline";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";

const says = (library, { secret, headers, body }) => {
  try {
    new library(secret).verify(body, headers);
    return "ok";
  } catch (error) {
    return String(error.message);
  }
};

for await (const line of createInterface({ input: process.stdin })) {
  const delivery = JSON.parse(line);
  console.log(JSON.stringify({ svix: says(Svix, delivery), standardwebhooks: says(Standard, delivery) }));
}
