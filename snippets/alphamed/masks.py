"""Look at what the SDK's masks hide of an update."""

# --8<-- [start:mask]
import secrets

import alphamed_tutorials  # before alphafed, which else writes alphafed.log
import torch
from alphafed.fed_avg import SecureFedAvgScheduler
from alphafed.fed_avg.secure_fed_avg import _User2Info
from alphafed.secure import new_key_pair

torch.manual_seed(1)
model = torch.nn.Linear(3, 2)
_, public_key = new_key_pair()  # another owner's


class Owner(SecureFedAvgScheduler):
    def __init__(self):
        self.id = "hospital-a"
        self._seed = secrets.token_bytes(32)
        self._s_sk, _ = new_key_pair()
        self._users_2 = [_User2Info("hospital-b", self.id, b"", b"", s_pk=public_key)]

    def state_dict(self):
        return model.state_dict()

    build_model = build_optimizer = build_train_dataloader = build_test_dataloader = None
    train_an_epoch = run_test = None


masked = Owner()._mask_state_dict()  # the SDK's own; this is what it sends
# --8<-- [end:mask]

# --8<-- [start:read]
true = model.weight.detach()
seen = masked["weight"] - masked["weight"].round()  # the masks are whole numbers
print("masked:", masked["weight"].abs().min().item() > 1)
print("true:", [round(value, 2) for value in true.flatten().tolist()])
print("seen:", [round(value, 2) for value in seen.flatten().tolist()])
# --8<-- [end:read]
