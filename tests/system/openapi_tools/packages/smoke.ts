// Calls a running server by the types that are made of its OpenAPI document.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const [url, token] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });

const protocols = await client.GET("/v1/protocols");
const slug: string | undefined = protocols.data?.protocols[0]?.slug;
const made = await client.POST("/v1/id-tags", { body: { id_tag: "SMOKE-TS" } });
const tag: components["schemas"]["IdTag"] | undefined = made.data;
const page = await client.GET("/v1/id-tags", { params: { query: { limit: 5 } } });
const missing = await client.GET("/v1/id-tags/{id_tag}", { params: { path: { id_tag: "NONE" } } });
const code: string | undefined = missing.error?.code;
console.log(JSON.stringify([slug, tag?.id_tag, page.data?.items.some((each) => each.id_tag === "SMOKE-TS"), code]));
