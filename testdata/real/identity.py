"""Keystone's own API, as the system administrator."""

import json
import urllib.error
import urllib.parse
import urllib.request


class Refused(Exception):
    """Keystone answered with something else than what was asked for."""


class Keystone:
    """A conversation with Keystone. Projects, users and roles may be named by id or by name."""

    def __init__(self, url, password):
        self.url = url
        self.password = password
        self.token = None

    def call(self, method, path, body=None, token=None):
        """Sends one request and returns (headers, decoded body or None)."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("X-Auth-Token", token)
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=30) as response:
                text = response.read()
                return response.headers, json.loads(text) if text else None
        except urllib.error.HTTPError as err:
            raise Refused(f"{method} {path}: {err.code} {err.read().decode()}") from err

    def log_in(self, user, password, scope):
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": user, "domain": {"id": "default"}, "password": password}},
        }
        headers, body = self.call("POST", "/auth/tokens", {"auth": {"identity": identity, "scope": scope}})
        return headers["X-Subject-Token"], body["token"]

    def admin(self, method, path, body=None):
        if self.token is None:
            self.token, _ = self.log_in("admin", self.password, {"system": {"all": True}})
        return self.call(method, path, body, self.token)[1]

    def find(self, collection, name):
        """The id of the one project, user or role with this name or id."""
        query = urllib.parse.urlencode({"name": name})
        found = self.admin("GET", f"/{collection}?{query}")[collection]
        if not found:
            return self.admin("GET", f"/{collection}/{name}")[collection.removesuffix("s")]["id"]
        if len(found) > 1:
            raise Refused(f"{len(found)} {collection} are called {name!r}")
        return found[0]["id"]

    def add_project(self, name):
        body = {"project": {"name": name, "domain_id": "default"}}
        return self.admin("POST", "/projects", body)["project"]["id"]

    def enable_project(self, project, enabled=True):
        self.admin("PATCH", f"/projects/{self.find('projects', project)}", {"project": {"enabled": enabled}})

    def disable_project(self, project):
        self.enable_project(project, False)

    def delete_project(self, project):
        self.admin("DELETE", f"/projects/{self.find('projects', project)}")

    def add_user(self, name, password):
        body = {"user": {"name": name, "password": password, "domain_id": "default"}}
        return self.admin("POST", "/users", body)["user"]["id"]

    def enable_user(self, name, enabled=True):
        self.admin("PATCH", f"/users/{self.find('users', name)}", {"user": {"enabled": enabled}})

    def disable_user(self, name):
        self.enable_user(name, False)

    def add_role(self, user, role, *scopes):
        """Each scope is system, domain, or the name or id of a project."""
        self._assign("PUT", user, role, scopes)

    def remove_role(self, user, role, *scopes):
        self._assign("DELETE", user, role, scopes)

    def _assign(self, method, user, role, scopes):
        what = f"users/{self.find('users', user)}/roles/{self.find('roles', role)}"
        for scope in scopes:
            where = {"system": "/system", "domain": "/domains/default"}.get(scope)
            self.admin(method, f"{where or '/projects/' + self.find('projects', scope)}/{what}")

    def add_application_credential(self, user, password, project):
        """A credential with all the roles that the user has on the project."""
        scope = {"project": {"id": self.find("projects", project)}}
        token, granted = self.log_in(user, password, scope)
        path = f"/users/{granted['user']['id']}/application_credentials"
        _, body = self.call("POST", path, {"application_credential": {"name": f"{user} on {project}"}}, token)
        made = body["application_credential"]
        return {"id": made["id"], "secret": made["secret"]}

    def add_region(self, name, *services):
        """A region with a copy of the endpoints that RegionOne has for these kinds of service."""
        self.admin("POST", "/regions", {"region": {"id": name}})
        kinds = {each["id"]: each["type"] for each in self.admin("GET", "/services")["services"]}
        for endpoint in self.admin("GET", "/endpoints?region_id=RegionOne")["endpoints"]:
            if kinds[endpoint["service_id"]] in services:
                self.add_endpoint(endpoint["service_id"], endpoint["interface"], endpoint["url"], name)

    def remove_region(self, name):
        for endpoint in self.admin("GET", f"/endpoints?region_id={name}")["endpoints"]:
            self.admin("DELETE", f"/endpoints/{endpoint['id']}")
        self.admin("DELETE", f"/regions/{name}")

    def add_service(self, kind, url):
        body = {"service": {"type": kind, "name": kind}}
        service = self.admin("POST", "/services", body)["service"]["id"]
        self.add_endpoint(service, "public", url, "RegionOne")

    def remove_service(self, url):
        """Removes the services that have an endpoint at this address."""
        for endpoint in self.admin("GET", "/endpoints")["endpoints"]:
            if endpoint["url"] == url:
                self.admin("DELETE", f"/services/{endpoint['service_id']}")

    def enable_endpoints(self, kind, enabled=True):
        """Puts the endpoints of a kind of service into the catalog, or takes them out of it."""
        for service in self.admin("GET", f"/services?type={kind}")["services"]:
            for endpoint in self.admin("GET", f"/endpoints?service_id={service['id']}")["endpoints"]:
                self.admin("PATCH", f"/endpoints/{endpoint['id']}", {"endpoint": {"enabled": enabled}})

    def disable_endpoints(self, kind):
        self.enable_endpoints(kind, False)

    def add_endpoint(self, service, interface, url, region):
        body = {"service_id": service, "interface": interface, "url": url, "region_id": region}
        self.admin("POST", "/endpoints", {"endpoint": body})

    def set_endpoint(self, kind, url):
        """Changes the public address of a kind of service in RegionOne; the services themselves use others."""
        services = [each["id"] for each in self.admin("GET", f"/services?type={kind}")["services"]]
        for service in services:
            found = self.admin("GET", f"/endpoints?service_id={service}&interface=public")["endpoints"]
            for endpoint in found:
                self.admin("PATCH", f"/endpoints/{endpoint['id']}", {"endpoint": {"url": url}})
