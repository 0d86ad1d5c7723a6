// A caller in another language, from the .proto files and the service config alone.
//   node client.mjs HOST:PORT SERVICE_CONFIG < calls.json
// PROTO_PATH: folders that hold protos/ and google/rpc/. Standard input: [[method, request], …] of both services.
// Prints one JSON array: for each call {answer} or {code, message, details}.
import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const [target, serviceConfig] = process.argv.slice(2);
const files = [
  "protos/recommender/v1/recommendation_service.proto",
  "protos/recommender/v1/snapshot_service.proto",
  "google/rpc/status.proto",
  "google/rpc/error_details.proto",
];
const options = { includeDirs: process.env.PROTO_PATH.split(":"), enums: String, longs: Number, arrays: true };
const definition = loader.loadSync(files, options);
const { RecommendationService, SnapshotService } = grpc.loadPackageDefinition(definition).recommender.v1;

function detailsOf(error) {
  const [packed] = error.metadata.get("grpc-status-details-bin");
  if (packed === undefined) return {};
  const { details } = definition["google.rpc.Status"].deserialize(packed);
  return Object.fromEntries(
    details.map(({ type_url: url, value }) => {
      const name = url.split("/").pop();
      return [name, definition[name].deserialize(value)];
    }),
  );
}

function call(clients, method, request) {
  const client = clients.find((one) => method in one);
  return new Promise((resolve) => {
    client[method](request, (error, answer) => {
      resolve(error ? { code: error.code, message: error.details, details: detailsOf(error) } : { answer });
    });
  });
}

const channelOptions = { "grpc.service_config": readFileSync(serviceConfig, "utf8") };
const clients = [RecommendationService, SnapshotService].map(
  (Service) => new Service(target, grpc.credentials.createInsecure(), channelOptions),
);
const outcomes = [];
for (const [method, request] of JSON.parse(readFileSync(0, "utf8"))) {
  outcomes.push(await call(clients, method, request));
}
clients.forEach((client) => client.close());
console.log(JSON.stringify(outcomes));
