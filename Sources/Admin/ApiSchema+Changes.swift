/// What answers to requests that change something look like.
extension ApiSchema {
    static let changes = #"""
            "drain": {
              "description": "A replica that takes nothing new and finishes its in_flight streams.",
              "type": "object", "additionalProperties": false,
              "required": [
                "since_ms", "leaves_in_ms"
              ],
              "properties": {
                "since_ms": {"type": "integer", "minimum": 0,
                  "description": "For how long it has been so, in milliseconds."},
                "leaves_in_ms": {"type": ["integer", "null"], "minimum": 0,
                  "description": "When it is gone at the latest; null: it stays."}
              }
            },
            "new-replica": {
              "description": "The body of POST /api/replicas.",
              "type": "object", "additionalProperties": false,
              "required": [
                "address"
              ],
              "properties": {
                "cluster": {"type": ["string", "null"],
                  "description": "Its cluster; may be left out where there is one only."},
                "address": {"type": "string", "description": "host:port, [v6]:port or unix:/path."},
                "weight": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000,
                  "description": "1 unless told."}
              }
            },
            "replica-change": {
              "description": "POST /api/replicas, DELETE /api/replicas/NAME, POST /api/replicas/NAME/drain and /undrain",
              "type": "object", "additionalProperties": false,
              "required": [
                "cluster", "id", "result", "in_flight", "origins"
              ],
              "properties": {
                "cluster": {"type": "string", "description": "Its cluster."},
                "id": {"type": "string", "description": "Its name, which is its address."},
                "result": {"enum": ["added", "draining", "serving", "leaving", "kept", "unchanged"],
                  "description": "What came of it. kept: others still name it. unchanged: it was so already."},
                "in_flight": {"type": "integer", "minimum": 0, "description": "Streams that are open on it."},
                "origins": {"type": "array", "items": {"type": "string"}, "description": "Who names it."}
              }
            },
            "reload": {
              "description": "POST /api/reload; with status 422 when the settings have problems",
              "type": "object", "additionalProperties": false,
              "required": [
                "result", "generation", "changed", "restart_required", "replicas", "problems"
              ],
              "properties": {
                "result": {"enum": ["success", "failure", "unchanged"],
                  "description": "After a failure everything is as it was."},
                "generation": {"type": "integer", "minimum": 1,
                  "description": "The settings that are in use now."},
                "changed": {"type": "array", "items": {"type": "string"},
                  "description": "Keys whose new value is in use."},
                "restart_required": {"type": "array", "items": {"type": "string"},
                  "description": "Keys whose new value is not in use before a restart."},
                "replicas": {"type": "array", "items": {"$ref": "#/$defs/replica-changes"},
                  "description": "Clusters whose replicas are others now."},
                "problems": {"type": "array", "items": {"$ref": "#/$defs/problem"},
                  "description": "All that is wrong with the settings; none unless it is a failure."},
                "error": {"enum": ["settings_have_problems"], "description": "After a failure."}
              }
            },
            "replica-changes": {
              "description": "What became of the replicas of one cluster, by name.",
              "type": "object", "additionalProperties": false,
              "required": [
                "cluster", "added", "removed", "reweighted", "kept", "dismissed"
              ],
              "properties": {
                "cluster": {"type": "string", "description": "The cluster."},
                "added": {"type": "array", "items": {"type": "string"}, "description": "New ones."},
                "removed": {"type": "array", "items": {"type": "string"},
                  "description": "Those that finish what is open and then go."},
                "reweighted": {"type": "array", "items": {"type": "string"},
                  "description": "Those with another weight."},
                "kept": {"type": "array", "items": {"type": "string"},
                  "description": "Those that somebody else still names."},
                "dismissed": {"type": "array", "items": {"type": "string"},
                  "description": "Those that an operator has taken out."}
              }
            },
            "problem": {
              "description": "One thing that is wrong with the settings.",
              "type": "object", "additionalProperties": false,
              "required": [
                "path", "line", "text"
              ],
              "properties": {
                "path": {"type": "string", "description": "The key."},
                "line": {"type": ["integer", "null"], "minimum": 1, "description": "In the file, if it is there."},
                "text": {"type": "string", "description": "What is wrong, and what would be right."}
              }
            },
        """#
}
