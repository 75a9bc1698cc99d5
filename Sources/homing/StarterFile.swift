/// What `homing init` writes. Lines that begin with `#` and a key are settings with their defaults; a test takes the mark
/// away and holds them against the code.
enum StarterFile {
    static let text = """
        # Homing's configuration. Every key, its default and its manual: homing check-config --reference
        # What this file means, or what is wrong with it:                homing check-config homing.yaml
        # HOMING_ and a key's path is a variable that wins over this file: HOMING_LOG_LEVEL=debug

        # Where callers connect, LocalAI for one: --external-grpc-backends homing:127.0.0.1:50051
        # In cleartext, for whoever reaches the address; the page Security has TLS and tokens.
        listeners:
        - address: 127.0.0.1:50051

        # The operator's port: status page, /metrics, /ready, what 'homing status' asks. Loopback needs no token.
        admin:
          address: 127.0.0.1:9901

        # One line for every stream that has ended; never a prompt.
        access_log:
          format: text
          path: stdout
          #sample_share: 1.0

        #log_level: info

        # Event loops that serve streams; 0 means one per core.
        #threads: 0

        # How long open streams may go on after SIGTERM; who is told which replica served a stream, and why (never,
        # on_request, always).
        #proxy:
        #  drain_timeout_ms: 30000
        #  explain: on_request

        # The workers, by what they serve: one cluster for each model.
        clusters:
        - name: chat

          # Models as callers name them. None means whatever no other cluster lists.
          models: []

          # The processes that serve it. To try this file:
          #   homing worker --listen 127.0.0.1:50052 --model nest-7b
          #   homing worker --listen 127.0.0.1:50053 --model nest-7b
          replicas:
          - 127.0.0.1:50052
          - 127.0.0.1:50053

          # Who chooses the replica of a stream. expected_ttft sends it where the first token is expected soonest.
          routing:
            policy: expected_ttft

          # Most streams that one replica is given; further ones wait here. 0: as many as come. slots: as many as the
          # model's options say (parallel:N).
          #admission:
          #  max_in_flight: 0

          # How replicas are probed, in the background.
          #probe:
          #  interval_ms: 15000
          #  deadline_ms: 5000

          # What LoadModel and Free mean for all replicas together.
          #model:
          #  free_action: answer
          #  success_rule: any

          # For workers that ask for a token (LOCALAI_GRPC_AUTH_TOKEN): the name of the variable that holds it.
          #auth:
          #  token_env: LOCALAI_GRPC_AUTH_TOKEN

        """
}
