"""The catalog: the facts and the definition of each protocol, joined into the values that are served."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property

from app.catalog import schemas
from app.catalog.definition import (
    Definition,
    FieldDescription,
    MessageDescription,
    TypeDescription,
)
from app.catalog.entry import Direction, Entry, load_entries
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
        self._steps = {step.action: number for number, step in enumerate(entry.message_flow, 1)}
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

    @cached_property
    def summary(self) -> schemas.ProtocolSummary:
        """The protocol as one member of the list."""
        shared = schemas.ProtocolSummary.model_fields.keys() & Entry.model_fields.keys()
        facts = {name: getattr(self.entry, name) for name in shared}
        return schemas.ProtocolSummary(**facts, href=self.href, page=self.page)

    @cached_property
    def protocol(self) -> schemas.Protocol:
        """The protocol with every fact on its page."""
        entry, definition = self.entry, self.definition
        levels = [capability.level for capability in entry.capabilities]
        return schemas.Protocol(
            **dict(self.summary),
            capabilities=entry.capabilities,
            capability_counts=schemas.CapabilityCounts(
                supported=levels.count("supported"),
                partial=levels.count("partial"),
                not_supported=levels.count("not_supported"),
            ),
            migration=entry.migration,
            security=entry.security,
            message_flow=tuple(self._flow()),
            deployments=entry.deployments,
            profiles=definition.profiles if definition else (),
            counts=schemas.Counts(
                messages=len(definition.messages),
                configuration_keys=len(definition.configuration_keys),
                error_codes=len(definition.error_codes),
                deviations=len(self.deviations),
            )
            if definition
            else None,
            api=self.api_links,
            docs=DOCS_PATH,
        )

    def _flow(self) -> Iterator[schemas.FlowStepServed]:
        for number, step in enumerate(self.entry.message_flow, 1):
            yield schemas.FlowStepServed(
                step=number,
                action=step.action,
                direction=step.direction,
                direction_text=schemas.DIRECTION_WORDS[step.direction],
                text=step.text,
                href=f"{self.href}/messages/{step.action}" if self.definition else None,
            )

    @cached_property
    def api_links(self) -> tuple[schemas.ApiLink, ...]:
        """The requests of the API that the page names."""
        link = schemas.ApiLink
        first = (link(method="GET", path=self.href, summary="This protocol, with every fact of its page."),)
        if self.definition is None:
            return first
        messages = f"{self.href}/messages"
        return (
            *first,
            link(method="GET", path=messages, summary="All messages, with filters."),
            link(method="GET", path=f"{messages}/{{action}}", summary="One message: fields and limits."),
            link(
                method="GET",
                path=f"{messages}/{{action}}/schema",
                summary="JSON Schema 2020-12 of one message.",
            ),
            link(
                method="GET",
                path=f"{self.href}/configuration-keys",
                summary="The standard configuration keys.",
            ),
            link(method="GET", path=f"{self.href}/error-codes", summary="The error codes of a CALLERROR."),
            *self._deviation_links(),
            link(method="POST", path=f"{self.href}/validate", summary="Check a frame or a payload."),
        )

    def _deviation_links(self) -> Iterator[schemas.ApiLink]:
        if self.deviations:
            path = f"{self.href}/deviations"
            yield schemas.ApiLink(method="GET", path=path, summary="How real charge points deviate from it.")

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

    def message_list(
        self, direction: Direction | None = None, profile: str | None = None, q: str | None = None
    ) -> schemas.MessageList:
        """List the messages that match every given filter.

        Args:
            direction: the direction in which the request may be sent; `both`: either side may send it.
            profile: key or name of a profile, in any case, with or without separators.
            q: text in the action, the summary or the name of a field at any depth, in any case.
        """
        found = [
            message
            for message in self.messages_by_action.values()
            if (direction is None or message.direction in (direction, "both"))
            and (profile is None or folded(message.profile) == folded(profile))
            and (q is None or q.casefold() in self._searchable[message.action])
        ]
        return schemas.MessageList(
            protocol=self.entry.slug,
            filter=schemas.MessageFilter(direction=direction, profile=profile, q=q),
            count=len(found),
            messages=tuple(self._message_summary(message) for message in found),
        )

    @cached_property
    def _searchable(self) -> dict[str, str]:
        texts = {}
        for message in self.messages_by_action.values():
            fields = (*message.request.fields, *message.response.fields)
            deeper = (kind.fields or () for kind in self._types_of(fields).values())
            names = [field.name for level in (fields, *deeper) for field in level]
            texts[message.action] = "\n".join((message.action, message.summary, *names)).casefold()
        return texts

    def _message_summary(self, message: MessageDescription) -> schemas.MessageSummary:
        return schemas.MessageSummary(
            action=message.action,
            profile=message.profile,
            direction=message.direction,
            direction_text=schemas.DIRECTION_WORDS[message.direction],
            sections=message.sections,
            summary=message.summary,
            billing=message.billing,
            flow_step=self._steps.get(message.action),
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
            error_behaviour=message.error_behaviour,
            rules=message.rules,
            request=message.request,
            response=message.response,
            types=self._types_of((*message.request.fields, *message.response.fields)),
            examples=message.examples,
        )

    @cached_property
    def profile_names(self) -> dict[str, str]:
        """The name of each feature profile, by key."""
        return {profile.key: profile.name for profile in self.definition.profiles} if self.definition else {}

    def _types_of(self, fields: Iterable[FieldDescription]) -> dict[str, TypeDescription]:
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
    """All protocols, by slug."""

    def __init__(self, protocols: Iterable[ProtocolCatalog]) -> None:
        self.protocols = {protocol.entry.slug: protocol for protocol in protocols}

    @cached_property
    def protocol_list(self) -> schemas.ProtocolList:
        """The list of all protocols."""
        summaries = tuple(protocol.summary for protocol in self.protocols.values())
        ecosystem = next((protocol.entry.ecosystem for protocol in self.protocols.values()), "")
        return schemas.ProtocolList(ecosystem=ecosystem, protocols=summaries)


def load_catalog(cores: Mapping[str, Protocol]) -> Catalog:
    """Load the catalog of the entries in `entries`.

    Args:
        cores: what describes and judges each protocol, by the name that entries give as `definition`.

    Raises:
        ValueError: an entry or a definition breaks its model, or they contradict each other.
    """
    entries = load_entries().values()
    return Catalog(ProtocolCatalog(entry, _core_of(entry, cores)) for entry in entries)


def _core_of(entry: Entry, cores: Mapping[str, Protocol]) -> Protocol | None:
    if entry.definition is None:
        return None
    if entry.definition not in cores:
        raise ValueError(f"{entry.slug}: there is no definition {entry.definition}")
    return cores[entry.definition]
