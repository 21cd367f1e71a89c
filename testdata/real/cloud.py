#!/usr/bin/python3
"""A real Keystone and a real Nova API on loopback, for tests.

    cloud.py run DIRECTORY                     starts them, with all their files in DIRECTORY, and waits for requests
    cloud.py ask DIRECTORY VERB ARGUMENT...    sends one request to the cloud that runs in DIRECTORY

`run` prints one line of JSON when all is ready, and stops everything when its standard input ends or on SIGTERM.
Requests arrive at the socket DIRECTORY/control: one JSON list a line, ["VERB", "ARGUMENT", ...], and each is
answered with one JSON object a line, {"ok": ...} or {"error": ...}. The verbs are the methods of Cloud that do not
begin with an underscore, with dashes for underscores, and those of identity.Keystone and compute.Cells.
"""

import base64
import configparser
import contextlib
import json
import os
import pathlib
import secrets
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
import identity  # noqa: E402

REAL = pathlib.Path(__file__).resolve().parent
CELLS = ["cell1", "cell2"]

# Gunicorn finds this file in its working directory. Its command line has to stay empty, because both services read
# sys.argv as their own. Eventlet is what Nova is made for, and threads would quarrel over SQLite's connections.
GUNICORN = """\
bind = "127.0.0.1:{port}"
wsgi_app = "{application}"
worker_class = "eventlet"
workers = 1
timeout = 120
"""


class Cloud:
    def __init__(self, home):
        self._home = pathlib.Path(home)
        self._processes = {}
        self._ports = dict(zip(["keystone", "nova", "neutron"], _free_ports(3)))
        self._keystone = identity.Keystone(self._url("keystone") + "/v3", secrets.token_hex(16))
        self._cells = None
        self._policies = {"keystone": {}, "nova": {}}

    def _url(self, service):
        return f"http://127.0.0.1:{self._ports[service]}"

    def _configuration(self, service):
        return self._home / service / f"{service}.conf"

    def _write_configuration(self):
        for service in self._ports:
            (self._home / service).mkdir(parents=True)
            (self._home / service / "policy.yaml").write_text("{}\n")
        login = {
            "auth_type": "password",
            "auth_url": self._keystone.url,
            "username": "admin",
            "password": self._keystone.password,
            "user_domain_id": "default",
            "project_domain_id": "default",
            "project_name": "admin",
        }
        keystone, nova = self._home / "keystone", self._home / "nova"
        _write(self._configuration("keystone"), {
            "DEFAULT": {"use_stderr": True},
            "database": {"connection": f"sqlite:///{keystone}/keystone.sqlite"},
            "token": {"provider": "fernet"},
            "fernet_tokens": {"key_repository": keystone / "keys"},
            "fernet_receipts": {"key_repository": keystone / "keys"},
            "credential": {"key_repository": keystone / "keys"},
            "identity": {"password_hash_rounds": 4},
            "oslo_policy": {"policy_file": keystone / "policy.yaml"},
        })
        _write(self._configuration("nova"), {
            "DEFAULT": {"transport_url": "fake:/", "state_path": nova, "host": "api", "use_stderr": True},
            "api_database": {"connection": f"sqlite:///{nova}/api.sqlite"},
            "database": {"connection": f"sqlite:///{nova}/cell0.sqlite"},
            # By itself it tries for seconds to reach a Keystone or a Neutron that is away, for each request.
            "keystone_authtoken": login | {"http_request_max_retries": 1},
            "neutron": login | {"endpoint_override": self._url("neutron"), "http_retries": 0},
            "oslo_policy": {"policy_file": nova / "policy.yaml"},
            "oslo_concurrency": {"lock_path": nova / "locks"},
        })
        shutil.copy("/etc/nova/api-paste.ini", nova)
        (keystone / "gunicorn.conf.py").write_text(GUNICORN.format(
            port=self._ports["keystone"],
            application="keystone.server.wsgi:initialize_public_application()"))
        (nova / "gunicorn.conf.py").write_text(GUNICORN.format(
            port=self._ports["nova"],
            application="nova.api.openstack.wsgi_app:init_application('osapi_compute')"))
        keys = keystone / "keys"
        keys.mkdir(mode=0o700)
        for number in "0", "1":
            (keys / number).write_bytes(base64.urlsafe_b64encode(secrets.token_bytes(32)))

    def _spawn(self, service, *command):
        """Starts a process that dies with this one."""
        with open(self._home / f"{service}.log", "ab") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command],
                cwd=self._home / service,
                env=os.environ | {
                    "OS_KEYSTONE_CONFIG_DIR": str(self._home / "keystone"),
                    "OS_NOVA_CONFIG_DIR": str(self._home / "nova"),
                },
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _up(self):
        self._write_configuration()
        manage_keystone = ["keystone-manage", "--config-file", str(self._configuration("keystone"))]
        manage_nova = ["nova-manage", "--config-file", str(self._configuration("nova"))]
        self.start("neutron")
        syncs = [
            self._spawn("keystone", *manage_keystone, "db_sync"),
            self._spawn("nova", *manage_nova, "api_db", "sync"),
            self._spawn("nova", *manage_nova, "db", "sync", "--local_cell"),
        ]
        self._succeed(syncs[0])
        syncs.append(self._spawn(
            "keystone", *manage_keystone, "bootstrap", "--bootstrap-password", self._keystone.password,
            "--bootstrap-region-id", "RegionOne", "--bootstrap-public-url", self._keystone.url,
            "--bootstrap-internal-url", self._keystone.url))
        for sync in syncs[1:]:
            self._succeed(sync)

        # All cells have the same schema.
        for cell in CELLS:
            shutil.copy(self._home / "nova/cell0.sqlite", self._home / f"nova/{cell}.sqlite")
        # Without a write-ahead log, a write that meets a read fails with "database is locked".
        for database in self._home.glob("*/*.sqlite"):
            connection = sqlite3.connect(database)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.close()

        self.start("keystone", wait=False)
        import compute  # takes three seconds, and needs the configuration
        self._cells = compute.Cells(self._home / "nova")
        self._cells.add_cell("cell0", compute.objects.CellMapping.CELL0_UUID)
        for cell in CELLS:
            self._cells.add_cell(cell)
            self._cells.add_host(cell, f"{cell}-host")
        self.start("nova", wait=False)
        self._wait("keystone")
        self._keystone.add_service("compute", self._url("nova") + "/v2.1")
        self._keystone.add_service("network", self._url("neutron"))
        self._wait("nova")
        return self.endpoints()

    def _succeed(self, process):
        if process.wait() != 0:
            raise RuntimeError(f"{process.args}: exit status {process.returncode}, see the logs in {self._home}")

    def _wait(self, service, seconds=60):
        """Waits until the service answers; its versions are for everyone to see."""
        for _ in range(seconds * 20):
            if self._processes[service].poll() is not None:
                raise RuntimeError(f"{service} ended by itself, see {self._home}/{service}.log")
            try:
                urllib.request.urlopen(self._url(service) + "/", timeout=5).close()
                return
            except urllib.error.HTTPError:  # 300 Multiple Choices is Keystone's answer
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{service} does not answer, see {self._home}/{service}.log")

    def _down(self):
        for service in list(self._processes):
            self.stop(service)

    def endpoints(self):
        """Where the services are, and the password of the user admin (role admin on project admin and the system)."""
        return {
            "auth_url": self._keystone.url,
            "compute_url": self._url("nova") + "/v2.1",
            "admin_password": self._keystone.password,
        }

    def start(self, service, wait=True):
        command = {"neutron": ["/usr/bin/python3", str(REAL / "neutron.py"), str(self._ports["neutron"])]}
        self._processes[service] = self._spawn(service, *command.get(service, ["/usr/bin/gunicorn"]))
        if wait:
            self._wait(service)

    def stop(self, service):
        """Ends a service at once, with its open connections."""
        process = self._processes.pop(service)
        worker = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
        for pid in [process.pid, *map(int, worker)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()

    def configure(self, service, section, option, value):
        """Changes keystone.conf or nova.conf and starts the service again."""
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(self._configuration(service))
        settings = {name: dict(parser.items(name)) for name in parser.sections()}
        settings["DEFAULT"] = dict(parser.defaults())
        settings.setdefault(section, {})[option] = value
        _write(self._configuration(service), settings)
        self.stop(service)
        self.start(service)

    def policy(self, service, rule, check=None):
        """Overrides one rule, or with no check takes the override back. Services read the file again by themselves."""
        self._policies[service][rule] = check
        if check is None:
            del self._policies[service][rule]
        (self._home / service / "policy.yaml").write_text(json.dumps(self._policies[service]) + "\n")

    def database_down(self, service):
        """Takes away what the service's database is read and written through, as far as the service can tell."""
        path = self._home / f"{service}/{service}.sqlite"
        path.rename(path.with_name(f"away-{path.name}"))
        path.mkdir()

    def database_up(self, service):
        path = self._home / f"{service}/{service}.sqlite"
        path.rmdir()
        path.with_name(f"away-{path.name}").rename(path)

    def cell_down(self, cell):
        """Moves the cell's database away."""
        if (self._home / f"nova/away-{cell}.sqlite").exists():
            raise RuntimeError(f"{cell} is down already")
        for path in sorted(self._home.glob(f"nova/{cell}.sqlite*")):
            # SQLite itself removes the files beside the database when nobody has it open.
            with contextlib.suppress(FileNotFoundError):
                path.rename(path.with_name(f"away-{path.name}"))

    def cell_up(self, cell):
        for path in self._home.glob(f"nova/{cell}.sqlite*"):
            path.unlink()  # SQLite has made an empty one
        for path in self._home.glob(f"nova/away-{cell}.sqlite*"):
            path.rename(path.with_name(path.name.removeprefix("away-")))

    def _do(self, verb, *arguments):
        name = verb.replace("-", "_")
        for target in self, self._keystone, self._cells:
            if not name.startswith("_") and callable(getattr(target, name, None)):
                return getattr(target, name)(*arguments)
        raise LookupError(f"no verb {verb!r}")


def _free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _write(path, settings):
    with open(path, "w") as file:
        for section, options in settings.items():
            print(f"[{section}]", file=file)
            for option, value in options.items():
                print(f"{option} = {value}", file=file)


def run(home):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cloud = Cloud(home)
    try:
        ready = cloud._up()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(cloud._home / "control"))
        listener.listen()
        print(json.dumps(ready), flush=True)
        while True:
            readable, _, _ = select.select([sys.stdin, listener], [], [])
            if sys.stdin in readable and not sys.stdin.buffer.read1():
                return
            if listener in readable:
                connection, _ = listener.accept()
                with connection, connection.makefile("rw") as stream:
                    for line in stream:
                        try:
                            answer = {"ok": cloud._do(*json.loads(line))}
                        except Exception as err:
                            answer = {"error": f"{type(err).__name__}: {err}"}
                        print(json.dumps(answer), file=stream, flush=True)
    finally:
        cloud._down()


def ask(home, *request):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(pathlib.Path(home) / "control"))
        with connection.makefile("rw") as stream:
            print(json.dumps(request), file=stream, flush=True)
            answer = json.loads(stream.readline())
    if "error" in answer:
        sys.exit(answer["error"])
    if answer["ok"] is not None:
        print(json.dumps(answer["ok"]))


if __name__ == "__main__":
    try:
        command = {"run": run, "ask": ask}[sys.argv[1]]
        home, arguments = sys.argv[2], sys.argv[3:]
    except (IndexError, KeyError):
        sys.exit(__doc__)
    command(home, *arguments)
