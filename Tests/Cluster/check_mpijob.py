#!/usr/bin/env python3
"""Checks cluster/kubernetes/mpijob.yaml: every field is one that MPIJob v2beta1 has, of its type, and the job makes sense.

    Tests/Cluster/check_mpijob.py [--crd kubeflow.org_mpijobs.yaml] [FILE]

With --crd (manifests/base/kubeflow.org_mpijobs.yaml of the MPI operator, or what `kubectl get crd mpijobs.kubeflow.org -o yaml`
prints) the whole of the operator's own schema is held to the file as well; without, a line says that it was not. Ends with
0, or 1 with a line for each fault.
"""

import argparse
import pathlib
import re
import sys

sys.dont_write_bytecode = True
from small_yaml import parse  # noqa: E402

OWN_FILE = pathlib.Path(__file__).resolve().parents[2] / "cluster" / "kubernetes" / "mpijob.yaml"
TEXT, COUNT, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
QUANTITY = {"x-kubernetes-int-or-string": True, "pattern": r"^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"}


def fields(required=(), **properties):
    return {"type": "object", "properties": properties, "required": list(required)}


def listed(items):
    return {"type": "array", "items": items}


def one_of(*words):
    return {"type": "string", "enum": list(words)}


QUANTITIES = {"type": "object", "additionalProperties": QUANTITY}
CONTAINER = fields(
    ["name"], name=TEXT, image=TEXT, command=listed(TEXT), args=listed(TEXT),
    env=listed(fields(["name"], name=TEXT, value=TEXT)), securityContext=fields(runAsUser=COUNT),
    resources=fields(limits=QUANTITIES, requests=QUANTITIES),
    volumeMounts=listed(fields(["name", "mountPath"], name=TEXT, mountPath=TEXT, readOnly=FLAG)))
VOLUME = fields(
    ["name"], name=TEXT, persistentVolumeClaim=fields(["claimName"], claimName=TEXT, readOnly=FLAG),
    emptyDir=fields(medium=TEXT, sizeLimit=QUANTITY))
REPLICAS = fields(
    replicas=COUNT, restartPolicy=TEXT,
    template=fields(spec=fields(["containers"], containers=listed(CONTAINER), volumes=listed(VOLUME))))
# The part of the interface that the project relies on.
RELIED_ON = fields(
    apiVersion=one_of("kubeflow.org/v2beta1"), kind=one_of("MPIJob"), metadata=fields(["name"], name=TEXT, namespace=TEXT),
    spec=fields(
        ["mpiReplicaSpecs"], slotsPerWorker=COUNT, sshAuthMountPath=TEXT, runLauncherAsWorker=FLAG,
        mpiImplementation=one_of("OpenMPI", "Intel", "MPICH"),
        launcherCreationPolicy=one_of("AtStartup", "WaitForWorkersReady"),
        runPolicy=fields(
            cleanPodPolicy=one_of("None", "Running", "All"), ttlSecondsAfterFinished=COUNT, activeDeadlineSeconds=COUNT,
            backoffLimit=COUNT, suspend=FLAG),
        mpiReplicaSpecs=fields(["Launcher", "Worker"], Launcher=REPLICAS, Worker=REPLICAS)))


def faults(value, schema, path):
    """What a value has against a schema, the OpenAPI form that Kubernetes uses; fields that it does not name are faults."""
    if schema.get("x-kubernetes-int-or-string"):
        fits = isinstance(value, int) or (isinstance(value, str) and re.search(schema.get("pattern", ""), value))
        return [] if fits else [f"{path}: expected a quantity, found {value!r}"]
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": (int, float)}
    kind = schema.get("type")
    if kind and (not isinstance(value, kinds[kind]) or (kind == "integer" and isinstance(value, bool))):
        return [f"{path}: expected {kind}, found {value!r}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path}: expected one of {', '.join(map(str, schema['enum']))}, found {value!r}"]
    if isinstance(value, dict):
        return faults_of_object(value, schema, path)
    if isinstance(value, list):
        return [fault for number, item in enumerate(value) for fault in faults(item, schema["items"], f"{path}[{number}]")]
    return []


def faults_of_object(value, schema, path):
    found = [f"{path}.{name}: missing" for name in schema.get("required") or [] if name not in value]
    properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, item in value.items():
        if name in properties:
            found += faults(item, properties[name], f"{path}.{name}")
        elif isinstance(others, dict):
            found += faults(item, others, f"{path}.{name}")
        elif properties and not schema.get("x-kubernetes-preserve-unknown-fields"):
            found.append(f"{path}.{name}: no such field")
    return found


def contradictions(job):
    """What a schema cannot say: numbers and names that must go together."""
    found = []
    spec = job["spec"]
    launcher, worker = (spec["mpiReplicaSpecs"][name]["template"]["spec"] for name in ("Launcher", "Worker"))
    workers = spec["mpiReplicaSpecs"]["Worker"]["replicas"]
    command = " ".join(launcher["containers"][0]["command"])
    ranks = re.search(r"-np (\d+)", command)
    if not ranks or int(ranks[1]) != workers * spec["slotsPerWorker"]:
        found.append(f"ranks of the launcher's command are not {workers} workers × {spec['slotsPerWorker']}")
    threads, processors = re.search(r"--threads (\d+)", command), worker["containers"][0]["resources"]["limits"]["cpu"]
    if not threads or int(threads[1]) * spec["slotsPerWorker"] != int(processors):
        found.append(f"threads of the launcher's command do not fill the {processors} processors of a worker")
    for name, pod in (("Launcher", launcher), ("Worker", worker)):
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        for container in pod["containers"]:
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    found.append(f"{name}: volume {mount['name']} is mounted and not declared")
    return found


def schema_of(definition):
    for version in parse(definition)["spec"]["versions"]:
        if version["name"] == "v2beta1":
            return version["schema"]["openAPIV3Schema"]
    raise SystemExit("check_mpijob: the definition has no version v2beta1")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=pathlib.Path, default=OWN_FILE)
    parser.add_argument("--crd", type=pathlib.Path)
    options = parser.parse_args()
    job = parse(options.file.read_text())
    found = faults(job, RELIED_ON, "") or contradictions(job)
    if options.crd:
        schema = schema_of(options.crd.read_text())
        # Of metadata the definition says only that it is there.
        found += [f"{fault} (by the operator's schema)" for fault in faults(job, schema, "")]
    else:
        print("check_mpijob: the operator's own schema was not checked: name it with --crd")
    for fault in found:
        print(f"check_mpijob: {options.file}: {fault.lstrip('.')}", file=sys.stderr)
    print(f"check_mpijob: {options.file.name}: {len(found)} faults" if found else f"check_mpijob: {options.file.name} is right")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
