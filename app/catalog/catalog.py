"""The catalog: the facts and the definition of each protocol, joined into the values that are served."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

from app.catalog import schemas
from app.catalog.definition import (
    Definition,
    FieldDescription,
    MessageDescription,
    TypeDescription,
)
from app.catalog.ecosystem import load_ecosystem
from app.catalog.entry import Entry, load_entries
from app.catalog.facts import CapabilityKey, MatrixRow
from app.catalog.presentation import count_levels, matrix_row, page_texts_of, sections_of
from app.deviations.dictionary import entries_of
from app.deviations.records import Family
from app.ocpp import Protocol

API_ROOT = "/v1/protocols"
PAGE_ROOT = "/protocols"
DOCS_PATH = "/docs"

_DEVIATING_DEFINITION = "v16"
"""The definition that the dictionary of deviations belongs to."""


def folded(name: str) -> str:
    """Return a name without case, spaces and separators: `smart-charging` equals `SmartCharging`."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


class ProtocolCatalog:
    """Everything that the catalog says of one protocol.

    Args:
        entry: the facts of its page.
        core: what describes and judges its messages; None for a protocol that is only presented.

    Raises:
        ValueError: a step of the message flow contradicts the definition.
    """

    def __init__(self, entry: Entry, core: Protocol | None) -> None:
        self.entry = entry
        self.core = core
        definition = None if core is None else Definition.read(core.describe())
        self.definition = definition
        self.href = f"{API_ROOT}/{entry.slug}"
        self.page = f"{PAGE_ROOT}/{entry.slug}"
        messages = definition.messages if definition else ()
        self.messages_by_action = {message.action: message for message in messages}
        self._steps = {step.action: (number, step) for number, step in enumerate(entry.message_flow, 1)}
        self._rows = {row.key: row for row in entry.capabilities}
        self._check_flow()

    def _check_flow(self) -> None:
        for step in self.entry.message_flow if self.definition else ():
            message = self.messages_by_action.get(step.action)
            if message is None or message.direction != step.direction:
                raise ValueError(f"{self.entry.slug}: the step {step.action} contradicts the definition")

    @property
    def actions(self) -> tuple[str, ...]:
        """The names of the actions, in the order of the standard."""
        return tuple(self.messages_by_action)

    @property
    def depth(self) -> schemas.Depth:
        """How much the catalog says of it; `all` if it says how this server treats each message, too."""
        if self.definition is None:
            return "card"
        treated = all(message.central_system is not None for message in self.definition.messages)
        return "all" if treated else "messages"

    def row(self, key: CapabilityKey) -> MatrixRow:
        """Return one row of the capability matrix."""
        return self._rows[key]

    @cached_property
    def searchable_card(self) -> str:
        """The texts of the card, without case."""
        entry = self.entry
        texts = (entry.slug, entry.name, entry.family, self.summary.family_name, entry.version, entry.summary)
        more = (entry.tagline or "", entry.governance.text, entry.transport.text, entry.encoding.text)
        return "\n".join((*texts, *more, *entry.parties, *entry.tags)).casefold()

    @cached_property
    def summary(self) -> schemas.ProtocolSummary:
        """The protocol as one member of the list."""
        entry, ecosystem = self.entry, load_ecosystem()
        shared = schemas.ProtocolSummary.model_fields.keys() & Entry.model_fields.keys()
        return schemas.ProtocolSummary(
            **{name: getattr(entry, name) for name in shared},
            family_name=ecosystem.families[entry.family],
            depth=self.depth,
            party_keys=ecosystem.parties_of(entry.slug),
            href=self.href,
            page=self.page,
        )

    @cached_property
    def protocol(self) -> schemas.Protocol:
        """The protocol with every fact on its page."""
        entry, definition = self.entry, self.definition
        shared = schemas.Protocol.model_fields.keys() & Entry.model_fields.keys()
        made = {"capabilities", "migration", "message_flow", *schemas.ProtocolSummary.model_fields}
        flow = tuple(self._flow())
        return schemas.Protocol(
            **dict(self.summary),
            **{name: getattr(entry, name) for name in shared - made},
            capabilities=tuple(matrix_row(row) for row in entry.capabilities),
            capability_counts=count_levels(entry.capabilities),
            migration=self._migration(),
            message_flow=flow,
            spoken=tuple(self._spoken()),
            profiles=definition.profiles if definition else (),
            counts=self._counts(),
            sections=tuple(sections_of(entry)),
            page_texts=page_texts_of(entry, DOCS_PATH, PAGE_ROOT),
            api=self.api_links,
            docs=DOCS_PATH,
        )

    def _counts(self) -> schemas.Counts | None:
        definition = self.definition
        if definition is None:
            return None
        return schemas.Counts(
            messages=len(definition.messages),
            configuration_keys=len(definition.configuration_keys),
            error_codes=len(definition.error_codes),
            deviations=len(self.deviations),
        )

    def _migration(self) -> schemas.MigrationServed | None:
        migration = self.entry.migration
        if migration is None:
            return None
        target = migration.target_slug
        return schemas.MigrationServed(
            **dict(migration), href=f"{API_ROOT}/{target}", page=f"{PAGE_ROOT}/{target}"
        )

    def _spoken(self) -> Iterator[schemas.SpokenAlong]:
        for number, edge in load_ecosystem().edges_of(self.entry.slug):
            (note,) = (spoken.note for spoken in edge.protocols if spoken.slug == self.entry.slug)
            yield schemas.SpokenAlong(
                edge=number, source=edge.source, targets=edge.targets, passes=edge.passes, note=note
            )

    def _flow(self) -> Iterator[schemas.FlowStepServed]:
        for number, step in enumerate(self.entry.message_flow, 1):
            yield schemas.FlowStepServed(
                step=number,
                step_text=f"{number:02}",
                action=step.action,
                direction=step.direction,
                direction_text=schemas.DIRECTION_WORDS[step.direction],
                text=step.text,
                href=f"{self.href}/messages/{step.action}" if self.definition else None,
            )

    @cached_property
    def api_links(self) -> tuple[schemas.ApiLink, ...]:
        """The requests of the API that the page names."""
        definition, root = self.definition, self.href
        found = [("GET", root, "This protocol, with every fact of its page.")]
        if definition is not None:
            messages = f"{root}/messages"
            found += [
                ("GET", messages, "All messages, with filters."),
                ("GET", f"{messages}/{{action}}", "One message: fields and limits."),
                ("GET", f"{messages}/{{action}}/schema", "JSON Schema 2020-12 of one message."),
            ]
            if definition.configuration_keys:
                found.append(("GET", f"{root}/configuration-keys", "The standard configuration keys."))
            found.append(("GET", f"{root}/error-codes", "The error codes of a CALLERROR."))
            if definition.security_events:
                found.append(("GET", f"{root}/security-events", "Security events and criticality."))
            if self.deviations:
                found.append(("GET", f"{root}/deviations", "How real charge points deviate from it."))
            found.append(("POST", f"{root}/validate", "Check a frame or a payload."))
        return tuple(
            schemas.ApiLink(method="POST" if method == "POST" else "GET", path=path, summary=summary)
            for method, path, summary in found
        )

    @cached_property
    def deviations(self) -> tuple[schemas.Deviation, ...]:
        """The dictionary of deviations; empty for a protocol that has none."""
        if self.entry.definition != _DEVIATING_DEFINITION:
            return ()
        return tuple(
            schemas.Deviation(**asdict(entry), family=family, href=f"{self.href}/deviations/{entry.code}")
            for family in Family
            for entry in entries_of(family)
        )

    @cached_property
    def deviation_list(self) -> schemas.DeviationList:
        """The dictionary of deviations as one document."""
        return schemas.DeviationList(
            protocol=self.entry.slug, count=len(self.deviations), deviations=self.deviations
        )

    def message_list(self, wanted: schemas.MessageFilter | None = None) -> schemas.MessageList:
        """List the messages that match every given filter.

        Args:
            wanted: direction: in which the request may be sent; `both`: either side may send it. profile: its
                key or name, in any case, with or without separators. q: text in the action, the summary or
                the name of a field at any depth, in any case.
        """
        wanted = wanted or schemas.MessageFilter()
        actions = list(self._steps) if wanted.flow else self.actions
        found = [
            message for action in actions if self._matches(message := self.messages_by_action[action], wanted)
        ]
        return schemas.MessageList(
            protocol=self.entry.slug,
            filter=wanted,
            count=len(found),
            messages=tuple(self._message_summary(message) for message in found),
        )

    def _matches(self, message: MessageDescription, wanted: schemas.MessageFilter) -> bool:
        return (
            (wanted.direction is None or message.direction in (wanted.direction, "both"))
            and (wanted.profile is None or folded(message.profile) == folded(wanted.profile))
            and (wanted.q is None or wanted.q.casefold() in self._searchable[message.action])
        )

    @cached_property
    def _searchable(self) -> dict[str, str]:
        texts = {}
        for message in self.messages_by_action.values():
            fields = (*message.request.fields, *message.response.fields)
            deeper = (kind.fields or () for kind in self.types_of(fields).values())
            names = [field.name for level in (fields, *deeper) for field in level]
            texts[message.action] = "\n".join((message.action, message.summary, *names)).casefold()
        return texts

    def _message_summary(self, message: MessageDescription) -> schemas.MessageSummary:
        number, step = self._steps.get(message.action, (None, None))
        return schemas.MessageSummary(
            action=message.action,
            profile=message.profile,
            direction=message.direction,
            direction_text=schemas.DIRECTION_WORDS[message.direction],
            sections=message.sections,
            summary=message.summary,
            billing=message.billing,
            flow_step=number,
            flow_text=step.text if step else None,
            href=f"{self.href}/messages/{message.action}",
            schema_href=f"{self.href}/messages/{message.action}/schema",
        )

    def message(self, action: str) -> schemas.Message:
        """Return one message in full.

        Raises:
            KeyError: the protocol has no such action.
        """
        message = self.messages_by_action[action]
        return schemas.Message(
            **dict(self._message_summary(message)),
            protocol=self.entry.slug,
            profile_name=self.profile_names[message.profile],
            sources=message.sources,
            confirmed=message.confirmed,
            known=message.known,
            answer_kept=message.answer_kept,
            central_system=message.central_system,
            error_behaviour=message.error_behaviour,
            rules=message.rules,
            request=message.request,
            response=message.response,
            types=self.types_of((*message.request.fields, *message.response.fields)),
            examples=message.examples,
        )

    def json_schemas(self, action: str) -> dict[str, Any]:
        """Return the JSON Schemas of one message.

        Raises:
            KeyError: the protocol has no such action.
        """
        if self.core is None:
            raise KeyError(action)
        return {
            "protocol": self.entry.slug,
            "action": action,
            "request": json.loads(self.core.json_schema(action, "request")),
            "response": json.loads(self.core.json_schema(action, "response")),
        }

    @cached_property
    def profile_names(self) -> dict[str, str]:
        """The name of each feature profile, by key."""
        return {profile.key: profile.name for profile in self.definition.profiles} if self.definition else {}

    def types_of(self, fields: Iterable[FieldDescription]) -> dict[str, TypeDescription]:
        """Collect every named type that the fields use, directly or not, in the order of their use."""
        known = self.definition.types if self.definition else {}
        found: dict[str, TypeDescription] = {}
        waiting = [field.type for field in fields]
        while waiting:
            name = waiting.pop(0)
            if name in known and name not in found:
                found[name] = known[name]
                waiting.extend(field.type for field in known[name].fields or ())
        return found


class Catalog:
    """All protocols, by slug. `described`: those whose messages the core describes."""

    def __init__(self, protocols: Iterable[ProtocolCatalog]) -> None:
        self.protocols = {protocol.entry.slug: protocol for protocol in protocols}
        self.described = {slug: found for slug, found in self.protocols.items() if found.core is not None}


def load_catalog(cores: Mapping[str, Protocol]) -> Catalog:
    """Load the catalog of the entries in `entries`.

    Args:
        cores: what describes and judges each protocol, by the name that entries give as `definition`.

    Raises:
        ValueError: an entry or a definition breaks its model, or they contradict each other.
    """
    entries = load_entries()
    ordered = [entries[slug] for slug in load_ecosystem().in_order(entries)]
    return Catalog(ProtocolCatalog(entry, _core_of(entry, cores)) for entry in ordered)


def _core_of(entry: Entry, cores: Mapping[str, Protocol]) -> Protocol | None:
    if entry.definition is None:
        return None
    if entry.definition not in cores:
        raise ValueError(f"{entry.slug}: there is no definition {entry.definition}")
    return cores[entry.definition]
