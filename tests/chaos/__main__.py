"""`python -m tests.chaos`: ten full seeds (or those named), a table of promises for each; exit code 1 when one was broken."""

import argparse
import os
import sys

from tests.chaos.campaign import Campaign, Report, run_campaign
from tests.chaos.scratch import scratch_folder


def main() -> int:
    """Run the seeds one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--messages", type=int, default=Campaign.messages)
    parser.add_argument("--faults", type=int, default=Campaign.faults)
    parser.add_argument("--broker", choices=["redis", "amqp"], default="redis")
    options = parser.parse_args()
    reports: list[Report] = []
    for seed in options.seeds:
        keep: list[bool] = []
        with scratch_folder(keep=keep) as folder:
            campaign = Campaign(seed, messages=options.messages, faults=options.faults, broker=options.broker)
            report = run_campaign(folder, campaign)
            show(report)
            if report.broken:
                keep.append(True)
                print(f"   kept: {folder}", flush=True)
        reports.append(report)
    print(f"{len(reports)} seeds, {sum(bool(report.broken) for report in reports)} with broken promises")
    return 1 if any(report.broken for report in reports) else 0


def show(report: Report) -> None:
    """Print one seed's table."""
    campaign = report.campaign
    print(
        f"\nseed {campaign.seed}: {campaign.messages} messages, each three times; {len(report.happenings)} faults; "
        f"{report.took_s:.0f} s; load average {os.getloadavg()[0]:.1f}"
    )
    print(f"   faults: {', '.join(one.name for one in report.happenings)}")
    for finding in report.findings:
        print(f"   {'ok    ' if finding.holds else 'BROKEN'} {finding.promise:<64} {finding.figure}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
