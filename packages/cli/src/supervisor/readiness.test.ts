import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "@sesame/core-types";
import { onReports, parseReport, reportLine, type Report } from "./readiness.ts";

function collect(): { pipe: PassThrough; reports: Report[] } {
  const reports: Report[] = [];
  const pipe = new PassThrough();
  onReports(pipe, (report) => reports.push(report));
  return { pipe, reports };
}

test("what is said is heard, however the pipe cuts it", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.integer({ min: 1, max: 9 }), (message, hint, size) => {
      const fault = new Fault("config", message, hint);
      const lines = Buffer.from(
        reportLine({ type: "status", text: "a\nb" }) +
          reportLine({ type: "error", fault }) +
          reportLine({ type: "ready" }),
      );
      const { pipe, reports } = collect();
      for (let at = 0; at < lines.length; at += size) {
        pipe.emit("data", lines.toString("latin1").slice(at, at + size));
      }
      const latin1 = (text: string): string => Buffer.from(text).toString("latin1");
      const [status, error, ready] = reports;
      assert.deepEqual([status, ready], [{ type: "status", text: "a b" }, { type: "ready" }]);
      assert.ok(error?.type === "error");
      const { exit, message: heard, hint: heardHint } = error.fault;
      assert.deepEqual([exit, heard, heardHint], ["config", latin1(message), latin1(hint)]);
    }),
  );
});

test("other lines are ignored, and an unknown class is a fault", () => {
  const others = ["", "READY=0", "READY=1 ", "ERROR", "ERROR {", "ERROR null", "ERROR {}"];
  for (const line of [...others, 'ERROR {"message":"m"}', 'ERROR {"message":1,"hint":""}']) {
    assert.equal(parseReport(line), null, line);
  }
  const report = parseReport('ERROR {"exit":"toString","message":"m","hint":"h"}');
  assert.equal(report?.type === "error" && report.fault.exit, "fault");
});

test("a line without end does not fill the memory", () => {
  // SECURITY: a daemon gone mad could take its supervisor, and with it all daemons, down.
  const { pipe } = collect();
  for (let i = 0; i < 100 && !pipe.destroyed; i++) pipe.emit("data", "x".repeat(1_024));
  assert.equal(pipe.destroyed, true);
});
