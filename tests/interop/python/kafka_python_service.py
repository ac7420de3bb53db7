"""The module `test.service` of kafka-python's tests, which their package does without: a broker that is there already."""


class ExternalService:
    def __init__(self, host, port):
        self.host = host
        self.port = port

    def open(self):
        pass

    def close(self):
        pass

    def dump_logs(self):
        pass


class SpawnedService:
    """Asked for by name only: nothing is started here."""
