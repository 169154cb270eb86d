"""What is wrong with an installation, a module per thing that is looked at.

Whatever may crash, hang or be heavy to import (torch, simulators, drivers) is tried in child
processes; ``report`` brings the findings together.
"""
