"""Settings of the management of charge points: commands, configuration, lists, certificates, files."""

from typing import Self

from pydantic import Field, model_validator

from app.settings.values import PREFIX, HttpUrl, Paths, SecondsByAction, SettingsGroup, TextIfAny


class DeviceSettings(SettingsGroup):
    """How charge points are managed."""

    # Seconds to wait for the answer of a charge point. Slow ones need up to half a minute.
    call_timeout_s: float = Field(default=30.0, gt=0, le=600)
    # Commands that may wait for one charge point. More of them mean that a client is out of control.
    command_queue_limit: int = Field(default=50, ge=1, le=10_000)
    # Seconds that a command may wait to be sent. An older one is seldom still wanted.
    command_expiry_s: float = Field(default=300.0, gt=0, le=86_400)
    # Action=seconds, with commas between: other seconds for the answer than `call_timeout_s` and the table of
    # app/commands/rules.py. A request may still name its own.
    command_timeouts: SecondsByAction = Field(default_factory=list)
    # Commands of one charge point that may wait until it connects, or for their time. More of them mean that
    # they are not wanted in this order any more.
    command_waiting_limit: int = Field(default=100, ge=1, le=200)
    # Seconds that such a command waits if its request does not say it. After a day most are not wanted.
    command_waiting_s: float = Field(default=86_400.0, gt=0, le=31_536_000)
    # Seconds; the longest time that a request may name, until the sending begins, and from then on.
    command_waiting_longest_s: float = Field(default=2_592_000.0, gt=0, le=31_536_000)
    # Charge points of one bulk of commands, and how many have a command under way at the same time: so
    # a mistake can be cancelled before it has reached them all.
    command_bulk_limit: int = Field(default=10_000, ge=1, le=100_000)
    command_bulk_concurrency: int = Field(default=50, ge=1, le=10_000)
    # Seconds; the longest timeout that a command may ask for.
    command_timeout_limit_s: float = Field(default=600, gt=0, le=3600)
    # Action=seconds, with commas between: other windows after which `no_effect` is noted than those of the
    # table in app/commands/expected_effects.py. Some installers take longer than others.
    command_effect_windows: SecondsByAction = Field(default_factory=list)
    # Bytes and rows of one import of charge points or id tags. Ten thousand rows take some seconds, and one
    # body of 8 MiB is a few times that in memory while it is read.
    import_limit_bytes: int = Field(default=8_388_608, ge=1024, le=268_435_456)
    import_limit_rows: int = Field(default=10_000, ge=1, le=1_000_000)
    # Whether charge points are brought to their desired configuration. It does nothing where none is stored.
    configuration_reviews: bool = True
    # Seconds between two comparisons of a charge point with its desired configuration, if nothing happens. A
    # login, a new template or new labels bring one at once.
    configuration_review_s: float = Field(default=21_600, ge=60, le=2_592_000)
    # Seconds after a login: a charge point that boots has other things to do.
    configuration_review_delay_s: float = Field(default=20, ge=0, le=3600)
    # Seconds of silence after which the fleet view calls the reports of a charge point stale: some
    # heartbeats, of which most charge points send one in 5 to 15 minutes.
    connector_stale_after_s: float = Field(default=3600, ge=60, le=31_536_000)
    # Charge points of one tenant, and so its connections: each charge point has one.
    charge_points_of_tenant_limit: int = Field(default=100_000, ge=1, le=100_000_000)
    # Connectors that one charge point may create by reporting them. The largest have a few dozen.
    connectors_per_charge_point: int = Field(default=64, ge=1, le=10_000)
    # Seconds; the heartbeat interval given to charge points. Pings check the connection; heartbeats set the
    # clock of the charge point.
    heartbeat_interval_s: int = Field(default=300, ge=0, le=86_400)
    # Seconds after a RemoteStartTransaction in which a StartTransaction counts as its effect. People walk
    # slowly.
    remote_start_window_s: float = Field(default=300, gt=0, le=86_400)
    # True: a charge point that logs in without a boot is asked for its state (TriggerMessage), or for a few
    # configuration keys if it has no triggers. Without it the state is known at the next change.
    state_requests: bool = True
    # Seconds between the login and the first question, and for the answer to it: a charge point that boots
    # does so within that time, and reports its state by itself.
    state_request_delay_s: float = Field(default=5.0, ge=0.01, le=3600)
    # Such commands of one worker per minute, and at once after a pause: each is some writes to the database.
    state_requests_per_minute: int = Field(default=1200, ge=1, le=1_000_000)
    # Logins that may wait to be asked. Beyond it charge points are not asked.
    state_request_queue_limit: int = Field(default=20_000, ge=1, le=1_000_000)
    # False: local authorization lists are not kept in step; raw commands still go out.
    local_list_sync: bool = True
    # Seconds between a login and the question for the version of its list: boots come first.
    local_list_delay_s: float = Field(default=5.0, ge=0, le=3600)
    # Seconds between looks at the tags of a tenant: changes within that time go out together.
    local_list_debounce_s: float = Field(default=10.0, ge=0.01, le=86_400)
    # Seconds after which a charge point that said nothing of its list is asked for its version again.
    local_list_check_s: float = Field(default=21_600.0, ge=1, le=2_592_000)
    # Entries of one message for a charge point that does not report SendLocalListMaxLength: most take these.
    local_list_default_length: int = Field(default=20, ge=1, le=1000)
    # Logins that wait to be noted by the next sweep. Others are asked with the next periodic check.
    local_list_login_limit: int = Field(default=20_000, ge=1, le=1_000_000)
    # False: reservations do not end by themselves, and starts do not use them.
    reservation_sweep: bool = True
    # Open reservations of one charge point: more than connectors of the largest sites.
    reservations_per_charge_point: int = Field(default=100, ge=1, le=10_000)
    # SignCertificate messages of one charge point per hour. A new key is needed once a year; one that asks
    # more often has a defect. The rest are answered Rejected.
    certificate_requests_per_hour: int = Field(default=10, ge=1, le=50)
    # Days before the end of its certificate that a charge point is asked for a new request. The standard has
    # it begin one month before (whitepaper edition 3, A03.FR.02).
    certificate_renewal_days: int = Field(default=30, ge=1, le=365)
    # PEM files of the chains that a TLS proxy in front of this server sends, the leaf first: one for each
    # kind of key. For its own TLS the forecast reads `tls_certificates`. The planned ones are those that will
    # be sent after a change.
    server_certificate_files: Paths = Field(default_factory=list)
    planned_server_certificate_files: Paths = Field(default_factory=list)
    # Seconds without a new status after which a firmware update times out: a charge point may wait until the
    # last transaction of the night has ended.
    firmware_job_timeout_s: int = Field(default=21_600, ge=60, le=2_592_000)
    # Seconds after a boot with another firmware version in which the status Installed may still come. Without
    # it the update counts as installed, seen by the boot.
    firmware_boot_grace_s: float = Field(default=300.0, ge=0, le=86_400)
    # Seconds between two looks at firmware updates and campaigns. Each look is a few statements.
    firmware_sweep_s: float = Field(default=5.0, ge=0.1, le=3600)
    # The URL under which charge points reach this server, such as https://charge.example.com, for files that
    # they download and upload. None: of host and port if the host is loopback; else there is no such URL.
    public_url: HttpUrl = None
    # Bytes of one file of a tenant, such as firmware; of one upload of a charge point, such as its logs; and
    # of all files of a tenant together.
    file_limit_bytes: int = Field(default=536_870_912, ge=1, le=2**40)
    upload_limit_bytes: int = Field(default=104_857_600, ge=1, le=2**40)
    files_of_tenant_limit_bytes: int = Field(default=10_737_418_240, ge=1, le=2**50)
    # Days that an upload of a charge point is kept. Logs may hold personal data, so not for ever.
    upload_retention_days: int = Field(default=90, ge=1, le=36_500)
    # Transfers of files that one worker does at the same time: each has a file open and 200 kB in memory.
    transfers_limit: int = Field(default=256, ge=1, le=100_000)
    # Bytes per second of all transfers of one worker together, so that they leave time for messages.
    transfer_bytes_per_s: float = Field(default=100_000_000, ge=65_536)
    # The bucket that keeps files, on any server that speaks the protocol of S3. None: the folder `files` of
    # the data directory, which several servers would have to share.
    file_s3_bucket: TextIfAny = None
    # The URL of that server. None: Amazon, in the region.
    file_s3_endpoint: HttpUrl = None
    # The region of the bucket. Servers of others mostly take any.
    file_s3_region: str = Field(default="us-east-1", min_length=1)
    # The begin of the names of all objects, for a bucket that has others, too.
    file_s3_prefix: str = ""
    # The key that reads and writes the bucket; required with a bucket.
    file_s3_access_key_id: TextIfAny = None
    file_s3_secret_access_key: TextIfAny = Field(default=None, repr=False)
    # Seconds that a charge point has for an upload of diagnostics, its own retries included.
    diagnostics_timeout_s: float = Field(default=3600, ge=1, le=604_800)
    # Days that DataTransfer messages are listed, and messages of one tenant: the oldest are dropped first.
    # They are for looking into a problem, and the frame log has them, too.
    data_transfer_retention_days: int = Field(default=30, ge=1, le=36_500)
    data_transfers_of_tenant_limit: int = Field(default=10_000, ge=1, le=1_000_000)
    # Requests to certificate servers for Plug & Charge that are under way, in one worker and of one tenant
    # there. Beyond it a message is answered Failed at once: the car waits only some seconds.
    plug_and_charge_requests_limit: int = Field(default=64, ge=1, le=10_000)
    plug_and_charge_requests_of_tenant_limit: int = Field(default=16, ge=1, le=10_000)
    # V2G certificate requests of one charge point per hour. The rest are answered Rejected.
    v2g_certificate_requests_per_hour: int = Field(default=10, ge=1, le=50)

    @model_validator(mode="after")
    def _check_bucket(self) -> Self:
        if self.file_s3_bucket and not (self.file_s3_access_key_id and self.file_s3_secret_access_key):
            raise ValueError(
                f"{PREFIX}FILE_S3_BUCKET needs {PREFIX}FILE_S3_ACCESS_KEY_ID and "
                f"{PREFIX}FILE_S3_SECRET_ACCESS_KEY"
            )
        return self
