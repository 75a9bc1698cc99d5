"""What is under scripts/deploy: the Debian package as far as that is cheap (scripts/package --test does the rest), and Kubernetes."""

import gzip
import pathlib
import re
import subprocess

import kubernetes_validate
import pytest
import yaml

from processes import program
from stubs import ROOT

DEPLOY = ROOT / "scripts" / "deploy"
PAGE = "usr/share/man/man1/homing.1.gz"


def run(*command, **options) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> pathlib.Path:
    """The package of the program that is being tested."""
    folder = tmp_path_factory.mktemp("package")
    run(ROOT / "scripts" / "package", "--binary", pathlib.Path(program()).resolve(), "--fast", "--output", folder)
    (made,) = folder.glob("homing_*.deb")
    return made


@pytest.fixture(scope="module")
def unpacked(package) -> pathlib.Path:
    root = package.parent / "unpacked"
    run("dpkg-deb", "--raw-extract", package, root)
    return root


def test_the_package_says_the_programs_version(package):
    version = run("dpkg-deb", "-f", package, "Version").strip()
    assert run(program(), "--version").strip() == f"homing {version}"
    assert package.name.startswith(f"homing_{version}_")
    assert f'homing:{version}\n' in (DEPLOY / "kubernetes" / "homing.yaml").read_text()


def test_the_package_needs_what_the_program_is_linked_with(package):
    depends = run("dpkg-deb", "-f", package, "Depends")
    for name in ("libc6", "libnghttp2-14", "libprotobuf-c1", "libxxhash0", "adduser"):
        assert re.search(rf"\b{name}\b", depends), depends


def test_the_package_holds_program_units_settings_manual_and_completions(package, unpacked):
    for path, mode in {
        "usr/bin/homing": 0o755,
        "lib/systemd/system/homing.service": 0o644,
        "lib/systemd/system/homing.socket": 0o644,
        "etc/homing/homing.yaml": 0o644,
        "etc/logrotate.d/homing": 0o644,
        "usr/share/bash-completion/completions/homing": 0o644,
        "usr/share/zsh/vendor-completions/_homing": 0o644,
        "usr/share/fish/vendor_completions.d/homing.fish": 0o644,
        "usr/share/doc/homing/copyright": 0o644,
        "usr/share/doc/homing/changelog.gz": 0o644,
        "usr/share/doc/homing/Operations.md": 0o644,
        "usr/share/doc/homing/examples/alerts.yml": 0o644,
        PAGE: 0o644,
        "DEBIAN/postinst": 0o755,
    }.items():
        assert (unpacked / path).stat().st_mode & 0o7777 == mode, path
    for line in run("dpkg-deb", "-c", package).splitlines():
        assert line.split()[1] == "root/root", line
    assert (unpacked / "DEBIAN/conffiles").read_text().split() == ["/etc/homing/homing.yaml", "/etc/logrotate.d/homing"]
    run("md5sum", "--check", "--quiet", "DEBIAN/md5sums", cwd=unpacked)
    run("bash", "-n", unpacked / "usr/share/bash-completion/completions/homing")
    for script in ("postinst", "prerm", "postrm"):
        run("sh", "-n", unpacked / "DEBIAN" / script)


def test_the_manual_page_is_right_and_names_every_command(unpacked):
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", unpacked / PAGE], capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80", "HOME": "/"},
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    page = gzip.decompress((unpacked / PAGE).read_bytes()).decode()
    for name in re.findall(r"^  (\S+) {2,}", run(program(), "--help").split("SUBCOMMANDS:")[1], flags=re.M):
        assert f".SS homing {name}".replace("-", "\\-") in page, name
    assert "SIGUSR2" in page and "\\-\\-replica" in page


def test_the_settings_that_are_installed_are_right(unpacked):
    effective = run(program(), "check-config", unpacked / "etc/homing/homing.yaml")
    assert "/var/log/homing/access.log" in effective


# Kubernetes.


@pytest.fixture(scope="module")
def manifests() -> dict[tuple[str, str], dict]:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "homing.yaml").read_text()))
    found = {(each["kind"], each["metadata"]["name"]): each for each in documents}
    assert len(found) == len(documents)
    return found


@pytest.mark.parametrize("version", ["1.30", "1.33", "1.36"])
def test_the_manifests_are_what_kubernetes_takes(manifests, version):
    for each in manifests.values():
        kubernetes_validate.validate(each, version, strict=True)


@pytest.fixture
def settings(manifests, tmp_path) -> dict:
    """The settings of the ConfigMap, as the program understands them."""
    text = manifests["ConfigMap", "homing"]["data"]["homing.yaml"]
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123456789abcdef\n")
    assert "/etc/homing-admin/token" in text
    path = tmp_path / "homing.yaml"
    path.write_text(text.replace("/etc/homing-admin/token", str(token)))
    return yaml.safe_load(run(program(), "check-config", path))


def test_ports_and_names_of_the_manifests_fit_together(manifests, settings):
    pod = manifests["Deployment", "homing"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert settings["listeners"][0]["address"] == f"0.0.0.0:{ports['grpc']}"
    assert settings["admin"]["address"] == f"0.0.0.0:{ports['admin']}"
    (service_port,) = manifests["Service", "homing"]["spec"]["ports"]
    assert service_port["targetPort"] == "grpc" and service_port["port"] == ports["grpc"]
    labels = pod["metadata"]["labels"]
    for selector in (
        manifests["Service", "homing"]["spec"]["selector"],
        manifests["Deployment", "homing"]["spec"]["selector"]["matchLabels"],
        manifests["PodDisruptionBudget", "homing"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(ports["admin"])
    workers = manifests["Service", "homing-workers"]["spec"]
    assert workers["clusterIP"] == "None"
    for replica in settings["clusters"][0]["replicas"]:
        host, port = replica["address"].rsplit(":", 1)
        assert host.endswith(".homing-workers") and int(port) == workers["ports"][0]["port"]


def test_probes_and_limits_of_time_fit_the_program(manifests, settings, own_fleet):
    spec = manifests["Deployment", "homing"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    drain = settings["proxy"]["drain_timeout_ms"] / 1000
    wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] >= drain + wait + 5
    fleet = own_fleet(1)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == "admin"
        assert fleet.homing.get(container[probe]["httpGet"]["path"])[0] == 200
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/live"


def test_the_container_may_do_nothing_that_it_need_not(manifests):
    spec = manifests["Deployment", "homing"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] and not spec["automountServiceAccountToken"]
    own = container["securityContext"]
    assert own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"] and own["capabilities"] == {"drop": ["ALL"]}
    # A root that is read-only is only right when nothing is written: access log to stdout, no state file.
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"/etc/homing", "/etc/homing-admin"}


def test_the_container_file_installs_the_package():
    text = (DEPLOY / "kubernetes" / "Containerfile").read_text()
    assert "homing_*.deb" in text and 'ENTRYPOINT ["/usr/bin/homing"]' in text and "USER 65532:65532" in text
