"""Make message classes of Protobuf's schemas: of text, which protoc compiles, or of serialised descriptors."""

from __future__ import annotations

import base64
import importlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from eddy.inputs.formats.options import library

_SECONDS = 30  # for protoc; it takes half of one
_MAX_FILES = 500
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_KNOWN = re.compile(r"(google/(?:protobuf|type)/[a-z_]+)\.proto")  # what Python packages bring
#: what Confluent's registry knows without a reference: comments for it, and the decimals of Kafka Connect's converter
_CONFLUENT = {
    "confluent/meta.proto": """
        syntax = "proto3"; package confluent; import "google/protobuf/descriptor.proto";
        message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }
        extend google.protobuf.FileOptions { Meta file_meta = 1088; }
        extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
        extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
        extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
        extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }""",
    "confluent/type/decimal.proto": """
        syntax = "proto3"; package confluent.type;
        message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }""",
}

#: a FileDescriptorProto; the package has no types
File: TypeAlias = Any


class ProtobufSchema:
    """Give the classes of a schema's messages.

    Args:
        main: the file that defines the messages.
        others: files that it imports, directly or not.

    Raises:
        ValueError: they do not make a schema.
    """

    def __init__(self, main: File, others: Iterable[File] = ()) -> None:
        self._main = main
        self._pool = descriptor_pool.DescriptorPool()
        self._classes: dict[object, Any] = {}
        files = {file.name: file for file in others}
        files[main.name] = main
        self._add(main.name, files, set())

    def _add(self, name: str, files: Mapping[str, File], added: set[str]) -> None:
        added.add(name)
        if len(added) > _MAX_FILES:
            message = f"found more than {_MAX_FILES} files"
            raise ValueError(message)
        file = files.get(name) or _brought_along(name)
        if file is None:
            message = f"found no file {name!r}, which another one imports; expected a reference to it"
            raise ValueError(message)
        for other in file.dependency:
            if other not in added:
                self._add(other, files, added)
        try:
            self._pool.AddSerializedFile(file.SerializeToString())
        except TypeError as error:
            raise ValueError(str(error)) from None

    def by_indexes(self, indexes: Sequence[int]) -> Any:
        """Return the class of a message by its place in the file, and in the messages around it.

        The entries of maps, which the compiler puts between the messages, do not count: so it is in Java's serializer.

        Raises:
            ValueError: there is none.
        """
        return self._known(tuple(indexes), lambda: self._name_of(indexes))

    def by_name(self, name: str) -> Any:
        """Return the class of a message by its name; with or without the package.

        Raises:
            ValueError: there is none.
        """
        return self._known(name, lambda: self._full(name))

    def only_message(self) -> Any:
        """Return the class of the only message at the top of the file.

        Raises:
            ValueError: there are others.
        """
        names = [message.name for message in self._main.message_type]
        if len(names) != 1:
            message = f"found the messages {', '.join(names) or 'none'}, expected one; the option 'message' chooses it"
            raise ValueError(message)
        return self.by_indexes((0,))

    def _known(self, key: object, name: Any) -> Any:
        if key not in self._classes:
            try:
                found = self._pool.FindMessageTypeByName(name())
            except KeyError:
                message = f"found no message {key!r} in {self._main.name}"
                raise ValueError(message) from None
            self._classes[key] = message_factory.GetMessageClass(found)
        return self._classes[key]

    def _name_of(self, indexes: Sequence[int]) -> str:
        names, inside = [self._main.package] if self._main.package else [], self._main.message_type
        for index in indexes:
            if not 0 <= index < len(inside):
                message = f"found the message index {list(indexes)}, expected one of a message in the schema"
                raise ValueError(message)
            names.append(inside[index].name)
            inside = [one for one in inside[index].nested_type if not one.options.map_entry]
        return ".".join(names)

    def _full(self, name: str) -> str:
        package = self._main.package
        return name if not package or name.startswith(f"{package}.") else f"{package}.{name}"


def _brought_along(name: str) -> File | None:
    """Return a file that belongs to Protobuf itself, to Google's common types, or to Confluent's registry."""
    if name in _CONFLUENT:
        return next(file for file in compiled({name: _CONFLUENT[name]}, name) if file.name == name)
    if not (known := _KNOWN.fullmatch(name)):
        return None
    try:
        module = importlib.import_module(known[1].replace("/", ".") + "_pb2")
    except ImportError:
        return None
    return descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)


def registered(text: str, references: Mapping[str, str]) -> ProtobufSchema:
    """Make classes of what a registry gave: a descriptor in base64, or text.

    Raises:
        ValueError: it is neither, or something is wrong with it.
        SettingsError: protoc is not installed.
    """
    given = {name: _descriptor(one) for name, one in references.items()}
    for name, file in given.items():
        if file is not None:
            file.name = name  # under which the others import it
    main = _descriptor(text)
    if main is not None and all(given.values()):
        return ProtobufSchema(main, (file for file in given.values() if file))
    if main is not None or any(given.values()):
        message = "found text and serialised descriptors that refer to each other, expected all of them in one form"
        raise ValueError(message)
    name = "eddy-main.proto"
    files = compiled({**references, name: text}, name)
    return ProtobufSchema(files[-1], files[:-1])


def _descriptor(text: str) -> File | None:
    try:
        found = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
    except (ValueError, DecodeError):
        return None
    return found if found.message_type or found.enum_type or found.dependency else None


def of_descriptor_set(content: bytes, message: str) -> Any:
    """Return the class of a message in the output of ``protoc --include_imports --descriptor_set_out=FILE``.

    Raises:
        ValueError: it is none, or has no such message.
    """
    try:
        files = list(descriptor_pb2.FileDescriptorSet.FromString(content).file)
    except DecodeError as error:
        raise ValueError(str(error)) from None
    for file in files:
        if message in _names(file.package, file.message_type):
            return ProtobufSchema(file, files).by_name(message)
    there = [name for file in files for name in _names(file.package, file.message_type)]
    text = f"found no message {message!r}, expected one of {', '.join(there[:10]) or 'none'}"
    raise ValueError(text)


def _names(around: str, messages: Iterable[Any]) -> Iterator[str]:
    for one in messages:
        name = f"{around}.{one.name}" if around else one.name
        yield name
        yield from _names(name, one.nested_type)


def of_text_file(path: Path) -> ProtobufSchema:
    """Compile a ``.proto`` file; what it imports is looked for beside it.

    Raises:
        ValueError: it is no schema.
        SettingsError: protoc is not installed.
    """
    files = _protoc(path.name, [path.resolve().parent])
    return ProtobufSchema(files[-1], files[:-1])


def compiled(texts: Mapping[str, str], main: str) -> list[File]:
    """Compile texts by name; return the files that ``main`` needs, itself last.

    Raises:
        ValueError: one of them is no schema, or has a name that leads elsewhere.
        SettingsError: protoc is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**_CONFLUENT, **texts}.items():
            if not _NAME.fullmatch(name) or len(name) > 200:
                message = f"found the reference {name[:200]!r}, expected a relative path such as plant/units.proto"
                raise ValueError(message)
            path = Path(folder, name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            except (OSError, UnicodeError) as error:
                message = f"found the reference {name!r}, which cannot be written: {error}"
                raise ValueError(message) from None
        return _protoc(main, [Path(folder)])


def _protoc(main: str, folders: Sequence[Path]) -> list[File]:
    """Run the compiler as a process of its own: it is C++ that reads what comes from outside."""
    library("grpc_tools.protoc", "protobuf")
    with tempfile.NamedTemporaryFile(suffix=".desc") as out:
        include = [f"-I{folder}" for folder in (*folders, *_common_types())]
        options = ["--include_imports", f"--descriptor_set_out={out.name}", *include, main]
        command = [sys.executable, "-m", "grpc_tools.protoc", *options]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            message = f"protoc took more than {_SECONDS} seconds"
            raise ValueError(message) from None
        if done.returncode:
            raise ValueError(done.stderr.strip()[:400] or f"protoc failed with code {done.returncode}")
        return list(descriptor_pb2.FileDescriptorSet.FromString(out.read()).file)


def _common_types() -> list[Path]:
    """Return the folder with ``google/type``, if it is there."""
    try:
        found = importlib.import_module("google.type")
    except ImportError:
        return []
    return [Path(next(iter(found.__path__))).parents[1]]
