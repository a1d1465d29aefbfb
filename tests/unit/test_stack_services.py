"""Which of a stack's processes goes before which."""

from pathlib import Path

import pytest

from devstack.services import ServicePlan, service_children


@pytest.mark.parametrize("shares_equally", [False, True])
def test_the_receiver_goes_first_and_flower_last_unless_all_share_equally(shares_equally):
    plan = ServicePlan(
        environ={},
        console_environ={},
        flower_environ={},
        receiver_port=1,
        console_port=2,
        flower_port=3,
        worker_ports={"stages-1": 4, "analyze-1": 5},
        run=Path("/run"),
        beat=Path("/beat"),
        shares_equally=shares_equally,
    )
    by_name = {child.name: child.niceness for child in service_children(plan)}
    if shares_equally:
        assert set(by_name.values()) == {0}
    else:
        assert by_name["receiver"] < by_name["console"] < by_name["worker-stages-1"] < by_name["flower"]
        assert by_name["worker-stages-1"] == by_name["worker-analyze-1"]
