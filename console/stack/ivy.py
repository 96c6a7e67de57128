"""Apache Ivy, which lies in the pyspark package: fetches files by their Maven coordinates and knows where they are published."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from console.stack.child import Children
from console.stack.errors import ArtifactsUnavailable, StackError
from console.stack.java import java, java_options, package_directory, proxy_options

SETTINGS_VARIABLE = "PIBRIDGE_IVY_SETTINGS"
TIMEOUT_SECONDS = 1800.0

# Ivy knows the public Maven repository by itself. The lock names every file, so no descriptors are read, which saves half the requests.
OWN_SETTINGS = """\
<ivysettings>
  <settings defaultResolver="central"/>
  <timeout-constraints><timeout-constraint name="patience" connectionTimeout="20000" readTimeout="60000"/></timeout-constraints>
  <resolvers>
    <ibiblio name="central" m2compatible="true" usepoms="{poms}" useMavenMetadata="false" timeoutConstraint="patience"/>
  </resolvers>
</ivysettings>
"""


@dataclass(frozen=True)
class Dependency:
    """One file in a Maven repository; `transitive` asks for all that it depends on as well."""

    org: str
    name: str
    version: str
    ext: str = "jar"
    classifier: str = ""
    transitive: bool = False

    def xml(self) -> str:
        classifier = f" m:classifier={quoteattr(self.classifier)}" if self.classifier else ""
        kind = f"name={quoteattr(self.name)} type={quoteattr(self.ext)} ext={quoteattr(self.ext)}"
        artifact = "" if self.transitive else f"<artifact {kind}{classifier}/>"
        module = f"org={quoteattr(self.org)} name={quoteattr(self.name)} rev={quoteattr(self.version)}"
        return f'<dependency {module} transitive="{str(self.transitive).lower()}" conf="files->default">{artifact}</dependency>'


def user_settings() -> Path | None:
    """The user's own `ivysettings.xml` (a mirror, say): $PIBRIDGE_IVY_SETTINGS, or ~/.ivy2/ivysettings.xml if there is one."""
    named = os.environ.get(SETTINGS_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise ArtifactsUnavailable(f"{SETTINGS_VARIABLE} names {named}, which is not a file.", "Correct it, or unset it.")
        return Path(named).absolute()
    usual = Path.home() / ".ivy2" / "ivysettings.xml"
    return usual if usual.is_file() else None


def ivy_jar() -> Path:
    jars = sorted((package_directory("pyspark", "spark") / "jars").glob("ivy-*.jar"))
    if not jars:
        raise StackError("The package pyspark holds no jars/ivy-*.jar.", "Install it anew: pip install --force-reinstall 'pyspark==4.1.1'.")
    return jars[-1]


def retrieve(
    dependencies: Sequence[Dependency],
    *,
    pattern: str,
    work: Path,
    cache: Path,
    children: Children,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Puts the files where `pattern` says (Ivy's words: [organisation], [artifact], [revision], …). Downloads are kept in `work`.

    Raises ArtifactsUnavailable with Ivy's reasons.
    """
    work.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(dependency.xml() for dependency in dependencies)
    module = work / "ivy.xml"
    module.write_text(
        '<ivy-module version="2.0" xmlns:m="http://ant.apache.org/ivy/maven">\n<info organisation="pibridge" module="stack"/>\n'
        f'<configurations><conf name="files"/></configurations>\n<dependencies>\n{lines}\n</dependencies>\n</ivy-module>\n'
    )
    settings = user_settings()
    if settings is None:
        settings = work / "settings.xml"
        settings.write_text(OWN_SETTINGS.format(poms=str(any(dependency.transitive for dependency in dependencies)).lower()))
    log_path = work / "ivy.log"
    log_path.unlink(missing_ok=True)
    command = [java(), "-Xmx256m", *java_options(cache), *proxy_options(), f"-Divy.default.ivy.user.dir={work / 'ivy'}", "-jar", ivy_jar()]
    command += ["-settings", settings, "-ivy", module, "-confs", "files", "-retrieve", pattern]
    ivy = children.start("ivy", [str(part) for part in command], log_path=log_path)
    if children.finish(ivy, TIMEOUT_SECONDS, watch) != 0:
        raise ArtifactsUnavailable(
            f"Files could not be fetched from the Maven repository: {reason(log_path)}",
            f"Connect this machine to the network (HTTPS_PROXY is honoured), or name a mirror in an ivysettings.xml and set "
            f"{SETTINGS_VARIABLE} to its path, or copy {cache} from a machine that has it; then try again. Ivy's log is {log_path}.",
        )


def reason(log_path: Path) -> str:
    """Ivy's first complaint, in one line."""
    lines = [line.strip() for line in log_path.read_text(errors="replace").splitlines()]
    for mark in ("Host ", "Exception", "UNRESOLVED", "FAILED", "unresolved", "not found", "ERROR"):
        for line in lines:
            if mark in line:
                return line.strip(": ").rstrip(".") + "."
    return (lines[-1] if lines else "Ivy said nothing") + "."
