/* Rules of single options beyond type and bounds. Each: true, or false and a sentence in `problem` that begins with the
   value. Pure; any thread. */
#pragma once
#include "gateway/config/document.h"

/* The path of an endpoint: begins with a slash, visible ASCII without query or fragment, not one of the gateway's own.
   Those of the transport sse are check_listener()'s matter: they are taken only where it is spoken.
 */
bool check_path(struct span value, struct text *problem);
/* A host name or literal address without port, or "*". */
bool check_host(struct span value, struct text *problem);
/* scheme://host[:port], as browsers write Origin (RFC 6454, 7), or "*". */
bool check_origin(struct span value, struct text *problem);
/* http://host… or https://host…, in visible ASCII. */
bool check_http_url(struct span value, struct text *problem);
/* "Name: value" on each line (RFC 9110, 5.1 and 5.5). Its sentence does not tell the value, which is a secret. */
bool check_header_lines(struct span value, struct text *problem);
/* MCP, server/tools, "Tool Names": A-Z a-z 0-9 _ - . */
bool check_tool_name(struct span value, struct text *problem);
/* The same with * and ?. */
bool check_tool_pattern(struct span value, struct text *problem);
/* A name of the environment: no '='. */
bool check_variable(struct span value, struct text *problem);
/* A host name, or one with "*" as its first label (RFC 9525, 6.3). */
bool check_server_name(struct span value, struct text *problem);
/* Of a rule: not empty, not too long. */
bool check_pattern(struct span value, struct text *problem);
/* RFC 6749, 3.3: visible ASCII without quotes and backslashes. */
bool check_scope(struct span value, struct text *problem);
/* An http or https URL without query, fragment or user: how clients name a resource (RFC 8707, 2; RFC 9728, 1.2). */
bool check_resource(struct span value, struct text *problem);
/* Where keys may be fetched from, and where issuers may be asked: https, http on loopback; keys from a file, too. */
bool check_jwks(struct span value, struct text *problem);
bool check_introspection(struct span value, struct text *problem);
/* A signature algorithm that is verified here. */
bool check_algorithm(struct span value, struct text *problem);
/* What the members of an issuer say together. */
void check_issuer(const struct node *entry, void *record, const char *label, struct mistakes *mistakes);
/* 64 hexadecimal digits. Its sentence does not show the value: it may be the key itself. */
bool check_sha256(struct span value, struct text *problem);

/* What the options of authentication say together, and with the listeners. 0 or -ENOMEM. */
struct settings;
MUST_USE int check_auth(const struct node *root, const struct settings *settings, struct mistakes *mistakes);

/* What the members of a listener say together. Notes where its TLS stands. */
void check_listener(const struct node *entry, void *record, const char *label, struct mistakes *mistakes);
/* A rule that says nothing, or could never be for anybody. */
void check_policy_rule(const struct node *entry, void *record, const char *label, struct mistakes *mistakes);
