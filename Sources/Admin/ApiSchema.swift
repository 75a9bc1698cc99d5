/// The body of `/api/schema`: what every answer under `/api` looks like, as JSON Schema (draft 2020-12). `$defs` has
/// one definition for each answer, named after the last part of its path, and for what they are made of.
///
/// Written by hand beside the types that it describes; a test holds every answer of a running fleet against it. Keys
/// that are not required come from policies and limits that not every fleet has.
enum ApiSchema {
    static let text = #"""
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "Homing admin API",
          "$defs": {
            "clusters": {
              "description": "/api/clusters",
              "type": "object", "additionalProperties": false,
              "required": [
                "clusters"
              ],
              "properties": {
                "clusters": {"type": "array", "items": {"$ref": "#/$defs/cluster"},
                  "description": "In the order of the configuration."}
              }
            },
            "cluster": {
              "description": "One cluster at one instant.",
              "type": "object", "additionalProperties": false,
              "required": [
                "name", "models", "policy", "replicas", "usable_replicas", "in_flight", "picks",
                "index_blocks", "model_remembered"
              ],
              "properties": {
                "name": {"type": "string", "description": "Its configured name."},
                "models": {"type": "array", "items": {"type": "string"},
                  "description": "Models that lead here; none means every model that no other cluster names."},
                "policy": {"type": "string", "description": "The routing policy."},
                "replicas": {"type": "integer", "minimum": 0, "description": "Replicas of any state."},
                "usable_replicas": {"type": "integer", "minimum": 0,
                  "description": "Replicas that a stream may be sent to now."},
                "in_flight": {"type": "integer", "minimum": 0,
                  "description": "Streams in flight, all replicas together."},
                "picks": {"type": "integer", "minimum": 0,
                  "description": "Streams that were given a replica since the start, retries included."},
                "index_blocks": {"type": "integer", "minimum": 0,
                  "description": "Prompt blocks that the prefix index remembers."},
                "model_remembered": {"type": "boolean",
                  "description": "A LoadModel is remembered and replayed to replicas that come without a model."},
                "queue": {"$ref": "#/$defs/queue"}
              }
            },
            "queue": {
              "description": "Who waits for a replica, and whether there are enough of them.",
              "type": "object", "additionalProperties": false,
              "required": [
                "waiting", "diverts_per_minute", "saturation", "replicas_wanted"
              ],
              "properties": {
                "waiting": {"type": "integer", "minimum": 0, "description": "Streams that wait in the proxy."},
                "diverts_per_minute": {"type": "integer", "minimum": 0,
                  "description": "Streams that left a warm replica because it was too busy, in the last minute."},
                "saturation": {"type": ["number", "null"],
                  "description": "Work divided by what the usable replicas can do; null when nobody knows."},
                "replicas_wanted": {"type": ["integer", "null"], "minimum": 0,
                  "description": "Replicas that would serve this; null when nobody knows."}
              }
            },
            "replicas": {
              "description": "/api/replicas",
              "type": "object", "additionalProperties": false,
              "required": [
                "replicas"
              ],
              "properties": {
                "replicas": {"type": "array", "items": {"$ref": "#/$defs/replica"},
                  "description": "Of every cluster, in a stable order."}
              }
            },
            "replica": {
              "description": "One replica at one instant.",
              "type": "object", "additionalProperties": false,
              "required": [
                "cluster", "id", "address", "state", "usable", "why", "since_ms", "in_flight", "picks",
                "weight", "model_loaded", "last_probe", "evictions", "cached_blocks", "origins", "drain"
              ],
              "properties": {
                "cluster": {"type": "string", "description": "Name of its cluster."},
                "id": {"type": "string", "description": "Its name in metrics and logs."},
                "address": {"type": "string", "description": "Where it is reached."},
                "state": {"type": "string", "description": "As in the state label of homing_replica_state."},
                "usable": {"type": "boolean", "description": "A stream may be sent to it now."},
                "why": {"type": "string", "description": "What brought it into this state."},
                "since_ms": {"type": "integer", "minimum": 0,
                  "description": "How long it has been in it, in milliseconds."},
                "in_flight": {"type": "integer", "minimum": 0, "description": "Streams in flight on it."},
                "picks": {"type": "integer", "minimum": 0,
                  "description": "Streams that it was picked for, retries included."},
                "weight": {"type": "integer", "minimum": 0,
                  "description": "Its share against the others of the cluster."},
                "model_loaded": {"type": ["boolean", "null"],
                  "description": "Whether it holds a model; null while that is not known."},
                "last_probe": {"anyOf": [{"$ref": "#/$defs/probe"}, {"type": "null"}],
                  "description": "The last probe that ended; null before the first."},
                "evictions": {"type": "integer", "minimum": 0,
                  "description": "Times that its connections were dropped after a failure."},
                "cached_blocks": {"type": "integer", "minimum": 0,
                  "description": "Prompt blocks that it is believed to hold."},
                "max_in_flight": {"type": ["integer", "null"], "minimum": 0,
                  "description": "Most streams that it is given at a time; null without a limit."},
                "estimates": {"anyOf": [{"$ref": "#/$defs/estimates"}, {"type": "null"}],
                  "description": "What the policy learned of it; null from a policy that learns nothing."},
                "origins": {"type": "array", "items": {"type": "string"},
                  "description": "Who names it: static, api, discovery:NAME; none while it leaves."},
                "drain": {"anyOf": [{"$ref": "#/$defs/drain"}, {"type": "null"}],
                  "description": "Null while it takes streams."}
              }
            },
            "probe": {
              "description": "A health probe.",
              "type": "object", "additionalProperties": false,
              "required": [
                "outcome", "age_ms", "latency_ms"
              ],
              "properties": {
                "outcome": {"enum": ["alive", "busy", "unreachable"], "description": "What came of it."},
                "age_ms": {"type": "integer", "minimum": 0, "description": "Time since it ended, in milliseconds."},
                "latency_ms": {"type": ["number", "null"],
                  "description": "From its start to its answer; null when none came."}
              }
            },
            "estimates": {
              "description": "What the routing policy believes of a replica.",
              "type": "object", "additionalProperties": false,
              "required": [
                "prefill_tokens_per_s", "overhead_ms", "cache_tokens", "slots", "predicted_ms",
                "observed_ms", "observations", "line_share"
              ],
              "properties": {
                "prefill_tokens_per_s": {"type": "number",
                  "description": "Prompt tokens that it computes per second."},
                "overhead_ms": {"type": "number",
                  "description": "What each prompt takes besides, in milliseconds."},
                "cache_tokens": {"type": "integer", "minimum": 0, "description": "Tokens that its cache holds."},
                "slots": {"type": "integer", "minimum": 0,
                  "description": "Streams that it works on at a time; 0: not known."},
                "predicted_ms": {"type": "number",
                  "description": "Time to the first response, predicted; average of the last few dozen streams."},
                "observed_ms": {"type": "number", "description": "The same, observed."},
                "observations": {"type": "integer", "minimum": 0, "description": "Streams that told something."},
                "line_share": {"type": "number",
                  "description": "Share of the work before it that a prompt waits for."}
              }
            },
            "discovery": {
              "description": "/api/discovery",
              "type": "object", "additionalProperties": false,
              "required": [
                "sources"
              ],
              "properties": {
                "sources": {"type": "array", "items": {"$ref": "#/$defs/source"},
                  "description": "Cluster by cluster, in the order of the configuration."}
              }
            },
            "source": {
              "description": "A source of a cluster's replicas at one instant.",
              "type": "object", "additionalProperties": false,
              "required": [
                "cluster", "source", "type", "subject", "replicas", "last_success_unix_ms", "problem",
                "failures_in_row", "empty_in_row", "refreshes"
              ],
              "properties": {
                "cluster": {"type": "string", "description": "Name of its cluster."},
                "source": {"type": "string", "description": "Its name in that cluster."},
                "type": {"enum": ["dns", "srv", "file", "localai"], "description": "As configured."},
                "subject": {"type": "string", "description": "What it asks, without secrets."},
                "replicas": {"type": "array", "items": {"$ref": "#/$defs/found"},
                  "description": "The list that it stands for, whatever became of the last look."},
                "last_success_unix_ms": {"type": ["integer", "null"], "minimum": 0,
                  "description": "When it was last answered; null before the first time."},
                "problem": {"type": ["string", "null"],
                  "description": "Why the last look was of no use; null when it was."},
                "failures_in_row": {"type": "integer", "minimum": 0, "description": "Failed looks since then."},
                "empty_in_row": {"type": "integer", "minimum": 0,
                  "description": "Answers without any replica, in a row."},
                "refreshes": {"$ref": "#/$defs/refreshes"}
              }
            },
            "found": {
              "description": "A replica in the list of a source.",
              "type": "object", "additionalProperties": false,
              "required": [
                "address", "weight"
              ],
              "properties": {
                "address": {"type": "string", "description": "Where it is reached."},
                "weight": {"type": "integer", "minimum": 1, "description": "Its share against the others."}
              }
            },
            "refreshes": {
              "description": "Looks of a source since the start, by what came of them.",
              "type": "object", "additionalProperties": false,
              "required": [
                "ok", "empty", "failed"
              ],
              "properties": {
                "ok": {"type": "integer", "minimum": 0, "description": "Answers with replicas."},
                "empty": {"type": "integer", "minimum": 0, "description": "Answers without any."},
                "failed": {"type": "integer", "minimum": 0, "description": "No answer, or not all of it."}
              }
            },
            "decisions": {
              "description": "/api/decisions?limit= (1 to 512, 50 by default)",
              "type": "object", "additionalProperties": false,
              "required": [
                "decisions"
              ],
              "properties": {
                "decisions": {"type": "array", "items": {"$ref": "#/$defs/decision"},
                  "description": "The newest first."}
              }
            },
            "decision": {
              "description": "One pick: where a stream went and why. Nothing of its prompt but the length.",
              "type": "object", "additionalProperties": false,
              "required": [
                "id", "unix_ms", "cluster", "method", "replica", "reason", "diverted", "retries",
                "prompt_bytes", "matched_bytes", "matched_share", "expected_ms", "observed_ms",
                "candidate_count", "candidates"
              ],
              "properties": {
                "id": {"type": "string", "description": "Names the pick in this process."},
                "unix_ms": {"type": "integer", "minimum": 0,
                  "description": "When, in milliseconds since 1970-01-01 UTC."},
                "cluster": {"type": "string", "description": "The cluster."},
                "method": {"type": "string",
                  "description": "Name of the method; other when it is not the protocol's."},
                "replica": {"type": "string", "description": "The picked replica."},
                "reason": {"type": "string", "description": "As in the reason label of homing_picks_total."},
                "diverted": {"type": "boolean",
                  "description": "A replica that held more of the prompt was left out because it was too busy."},
                "retries": {"type": "integer", "minimum": 0,
                  "description": "Replicas that the stream was given to before."},
                "prompt_bytes": {"type": "integer", "minimum": 0,
                  "description": "Bytes of the prompt that took part; 0 for a stream without one."},
                "matched_bytes": {"type": "integer", "minimum": 0,
                  "description": "Those at its head that the replica was believed to hold."},
                "matched_share": {"type": ["number", "null"], "minimum": 0, "maximum": 1,
                  "description": "Their share; null for a stream without a prompt."},
                "expected_ms": {"type": ["number", "null"],
                  "description": "Time to the first response that was expected; null when the policy expects nothing."},
                "observed_ms": {"type": ["number", "null"],
                  "description": "From the pick to the first message of the answer; null while there is none."},
                "candidate_count": {"type": "integer", "minimum": 0,
                  "description": "Candidates that there were; at most 8 are listed."},
                "candidates": {"type": "array", "items": {"$ref": "#/$defs/candidate"},
                  "description": "Those that could have been picked."}
              }
            },
            "candidate": {
              "description": "One of those that could have been picked.",
              "type": "object", "additionalProperties": false,
              "required": [
                "replica", "in_flight", "matched_share"
              ],
              "properties": {
                "replica": {"type": "string", "description": "Its name."},
                "in_flight": {"type": "integer", "minimum": 0, "description": "Streams on it before the pick."},
                "matched_share": {"type": ["number", "null"], "minimum": 0, "maximum": 1,
                  "description": "Share of the prompt that it was believed to hold; null for a stream without one."}
              }
            },
            "events": {
              "description": "/api/events?limit= (1 to 512, 50 by default) &after= (an event's id)",
              "type": "object", "additionalProperties": false,
              "required": [
                "events"
              ],
              "properties": {
                "events": {"type": "array", "items": {"$ref": "#/$defs/event"}, "description": "The newest first."}
              }
            },
            "event": {
              "description": "Something that happened to the fleet or to this process.",
              "type": "object", "additionalProperties": false,
              "required": [
                "id", "unix_ms", "level", "message", "fields"
              ],
              "properties": {
                "id": {"type": "integer", "minimum": 0,
                  "description": "Counts the events of this process, from 1."},
                "unix_ms": {"type": "integer", "minimum": 0,
                  "description": "When, in milliseconds since 1970-01-01 UTC."},
                "level": {"enum": ["info", "notice", "warning", "error", "critical"],
                  "description": "How bad it is."},
                "message": {"type": "string", "description": "One of a fixed set of sentences."},
                "fields": {"type": "object", "additionalProperties": {"type": "string"},
                  "description": "What it was about."}
              }
            },
            "history": {
              "description": "/api/history",
              "type": "object", "additionalProperties": false,
              "required": [
                "interval_ms", "points"
              ],
              "properties": {
                "interval_ms": {"type": "integer", "minimum": 0,
                  "description": "Length of an interval, in milliseconds."},
                "points": {"type": "array", "items": {"$ref": "#/$defs/point"},
                  "description": "The oldest first; ten minutes at most."}
              }
            },
            "point": {
              "description": "One interval.",
              "type": "object", "additionalProperties": false,
              "required": [
                "unix_ms", "replicas"
              ],
              "properties": {
                "unix_ms": {"type": "integer", "minimum": 0,
                  "description": "Its end, in milliseconds since 1970-01-01 UTC."},
                "replicas": {"type": "array", "items": {"$ref": "#/$defs/traffic"},
                  "description": "Replicas that were sent nothing are left out."}
              }
            },
            "traffic": {
              "description": "One replica in one interval.",
              "type": "object", "additionalProperties": false,
              "required": [
                "cluster", "replica", "picks", "prompts", "hits", "prompt_bytes", "matched_bytes",
                "first_responses", "first_response_ms"
              ],
              "properties": {
                "cluster": {"type": "string", "description": "Name of its cluster."},
                "replica": {"type": "string", "description": "Its name."},
                "picks": {"type": "integer", "minimum": 0, "description": "Streams that it was picked for."},
                "prompts": {"type": "integer", "minimum": 0, "description": "Those with a prompt."},
                "hits": {"type": "integer", "minimum": 0,
                  "description": "Those of which it was believed to hold a part."},
                "prompt_bytes": {"type": "integer", "minimum": 0, "description": "Bytes of these prompts."},
                "matched_bytes": {"type": "integer", "minimum": 0,
                  "description": "Those that it was believed to hold."},
                "first_responses": {"type": "integer", "minimum": 0,
                  "description": "First messages of streamed answers to prompts."},
                "first_response_ms": {"type": ["number", "null"],
                  "description": "Their mean time since the pick; null when there was none."}
              }
            },
            "config": {
              "description": "/api/config",
              "type": "object", "additionalProperties": false,
              "required": [
                "generation", "settings"
              ],
              "properties": {
                "generation": {"type": "integer", "minimum": 0,
                  "description": "Counts the settings of this process, from 1."},
                "settings": {"type": "object",
                  "description": "The configuration file's keys with the values that count; a secret is <set> or null."}
              }
            },
            "log-level": {
              "description": "/api/log-level, also the body of PUT",
              "type": "object", "additionalProperties": false,
              "required": [
                "log_level"
              ],
              "properties": {
                "log_level": {"enum": ["trace", "debug", "info", "notice", "warning", "error", "critical"],
                  "description": "The least important level that is logged to stderr."}
              }
            },
            "stream": {
              "description": "Data of the state events of /api/stream, one a second; the first has all of the history.",
              "type": "object", "additionalProperties": false,
              "required": [
                "unix_ms", "ready", "readiness", "clusters", "replicas", "decisions", "events", "history"
              ],
              "properties": {
                "unix_ms": {"type": "integer", "minimum": 0,
                  "description": "When, in milliseconds since 1970-01-01 UTC."},
                "ready": {"type": "boolean", "description": "Whether /ready says so."},
                "readiness": {"type": "string", "description": "What /ready says."},
                "clusters": {"type": "array", "items": {"$ref": "#/$defs/cluster"},
                  "description": "As /api/clusters."},
                "replicas": {"type": "array", "items": {"$ref": "#/$defs/replica"},
                  "description": "As /api/replicas."},
                "decisions": {"type": "array", "items": {"$ref": "#/$defs/decision"},
                  "description": "The last 40."},
                "events": {"type": "array", "items": {"$ref": "#/$defs/event"}, "description": "The last 40."},
                "history": {"$ref": "#/$defs/history"}
              }
            },
        \#(Self.changes)
            "error": {
              "description": "The body of every answer of 400 and above under /api, but for /api/reload.",
              "type": "object", "additionalProperties": false,
              "required": [
                "error"
              ],
              "properties": {
                "error": {"type": "string", "description": "One of a fixed set of words."},
                "detail": {"type": "string", "description": "The same for people, where there is more to say."}
              }
            }
          }
        }

        """#
}
