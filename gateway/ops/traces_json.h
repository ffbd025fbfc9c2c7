/* Spans as OTLP in JSON (opentelemetry-proto 1.x, ExportTraceServiceRequest in the ProtoJSON mapping of OTLP: ids in
   hexadecimal, 64-bit numbers as strings), with the attributes of OpenTelemetry's conventions for MCP servers. Pure. */
#pragma once
#include "gateway/base/random.h"
#include "gateway/core/trace.h"

struct traces_resource {
    const char *service_name;
    char instance[RANDOM_ID_BYTES]; /* tells this process from others of its name */
};

/* One request body with the records of a list. */
void traces_json_add(struct text *out, const struct traces_resource *resource, const struct trace_record *records);
/* How many spans a collector says that it has not taken (partialSuccess.rejectedSpans). */
uint64_t traces_json_rejected(struct span answer);
