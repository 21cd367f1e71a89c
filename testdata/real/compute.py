"""Nova's tables, written through Nova's own objects: what nova-conductor and nova-compute would do."""

import ipaddress
import pathlib
import uuid

from nova import config
from nova import context
from nova import objects
from nova.compute import power_state
from nova.compute import vm_states
from nova.network import model


class Cells:
    """The cell databases of one Nova."""

    def __init__(self, home):
        self.home = pathlib.Path(home)
        config.parse_args(["nova"], default_config_files=[str(self.home / "nova.conf")])
        objects.register_all()
        self.context = context.get_admin_context()

    def database(self, cell):
        return self.home / f"{cell}.sqlite"

    def add_cell(self, cell, identifier=None):
        objects.CellMapping(
            self.context,
            uuid=identifier or str(uuid.uuid4()),
            name=cell,
            transport_url="none:/" if cell == "cell0" else "fake:/",
            database_connection=f"sqlite:///{self.database(cell)}",
        ).create()

    def mapping(self, cell):
        found = [each for each in objects.CellMappingList.get_all(self.context) if each.name == cell]
        if len(found) != 1:
            raise LookupError(f"{len(found)} cells are called {cell!r}")
        return found[0]

    def add_host(self, cell, host):
        """A compute host with its nova-compute service, as `nova-manage cell_v2 discover_hosts` leaves it."""
        mapping = self.mapping(cell)
        with context.target_cell(self.context, mapping) as in_cell:
            objects.Service(in_cell, host=host, binary="nova-compute", topic="compute", report_count=1).create()
        objects.HostMapping(self.context, host=host, cell_mapping=mapping).create()

    def add_instance(self, project, name, cell, addresses, network="lan"):
        """An ACTIVE instance; addresses are separated by commas, and none at all is an empty string."""
        mapping = self.mapping(cell)
        identifier = str(uuid.uuid4())
        objects.InstanceMapping(
            self.context,
            instance_uuid=identifier,
            project_id=project,
            user_id="nobody",
            cell_mapping=mapping,
            queued_for_delete=False,
        ).create()
        flavor = objects.Flavor(
            id=1, flavorid="1", name="tiny", memory_mb=64, vcpus=1, root_gb=1, ephemeral_gb=0, swap=0,
            rxtx_factor=1.0, vcpu_weight=0, disabled=False, is_public=True, extra_specs={}, description=None,
        )
        # From it Nova shows the instance of a cell that is down. Without one the instance looks deleted.
        objects.RequestSpec.from_components(
            self.context, identifier, None, flavor, None, None, {}, None, None,
            security_groups=objects.SecurityGroupList(objects=[]), project_id=project, user_id="nobody",
        ).create()
        with context.target_cell(self.context, mapping) as in_cell:
            objects.Instance(
                in_cell,
                uuid=identifier,
                project_id=project,
                user_id="nobody",
                display_name=name,
                hostname=identifier,
                host=f"{cell}-host",
                node=f"{cell}-host",
                vm_state=vm_states.ACTIVE,
                power_state=power_state.RUNNING,
                flavor=flavor,
                old_flavor=None,
                new_flavor=None,
                instance_type_id=1,
                memory_mb=64,
                vcpus=1,
                root_gb=1,
                ephemeral_gb=0,
                image_ref="",
                system_metadata={},
                metadata={},
                info_cache=objects.InstanceInfoCache(network_info=_network_info(addresses, network)),
            ).create()
        return identifier

    def _instance(self, identifier):
        return objects.InstanceMapping.get_by_instance_uuid(self.context, identifier)

    def set_addresses(self, identifier, addresses, network="lan"):
        with context.target_cell(self.context, self._instance(identifier).cell_mapping) as in_cell:
            cache = objects.InstanceInfoCache.get_by_instance_uuid(in_cell, identifier)
            cache.network_info = _network_info(addresses, network)
            cache.save()

    def set_state(self, identifier, vm_state, task_state=None):
        """States as Nova's tables have them: active, error, soft-delete, shelved_offloaded; deleting."""
        with context.target_cell(self.context, self._instance(identifier).cell_mapping) as in_cell:
            instance = objects.Instance.get_by_uuid(in_cell, identifier)
            instance.vm_state = vm_state
            instance.task_state = task_state
            if vm_state == vm_states.SHELVED_OFFLOADED:
                instance.host = instance.node = None
            instance.save()

    def queue_for_delete(self, identifier):
        """What nova-api writes when a user deletes the instance, before the host does it."""
        mapping = self._instance(identifier)
        mapping.queued_for_delete = True
        mapping.save()

    def delete_instance(self, identifier):
        """What the host writes when it has deleted the instance. The request spec stays until the archive run."""
        self.queue_for_delete(identifier)
        with context.target_cell(self.context, self._instance(identifier).cell_mapping) as in_cell:
            objects.Instance.get_by_uuid(in_cell, identifier).destroy()

    def remove_request_spec(self, identifier):
        """What an archive run can leave behind, and releases before Mitaka."""
        objects.RequestSpec.get_by_instance_uuid(self.context, identifier).destroy()

    def remove_mapping(self, identifier):
        """The other half of an archive run, or an instance that `nova-manage cell_v2 map_instances` has not seen yet."""
        self._instance(identifier).destroy()


def _network_info(addresses, network):
    """One port with one subnet for each address."""
    subnets = []
    for address in filter(None, addresses.split(",")):
        version = ipaddress.ip_address(address).version
        subnets.append(model.Subnet(
            cidr="0.0.0.0/0" if version == 4 else "::/0",
            ips=[model.FixedIP(address=address)],
            version=version,
        ))
    if not subnets:
        return model.NetworkInfo([])
    port = model.VIF(
        id=str(uuid.uuid4()),
        address="fa:16:3e:00:00:01",
        network=model.Network(id=str(uuid.uuid4()), bridge="br-int", label=network, subnets=subnets),
        type="ovs",
        active=True,
    )
    return model.NetworkInfo([port])
