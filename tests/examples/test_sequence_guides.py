"""What the guides of speech and language say of their models and recorded data, where no other test proves it."""

import pytest
import torch
from recordings import recorded
from torch import nn

from alphamed_tutorials.examples.language_modeling.model import Predictor, TransformerModel
from alphamed_tutorials.examples.language_modeling.prepare import load_folder
from alphamed_tutorials.examples.speech_commands.dataset_verify import list_clips, speaker_of
from alphamed_tutorials.examples.speech_commands.prepare import choose_test


def test_words_of_real_speakers_what_the_intervals_allow():
    runs = recorded("speech_commands", "owners")
    assert all(runs[f"node{number}"]["federated_less_this"][0] > 0 for number in (1, 2, 3))
    low, high = runs["centralised"]["federated_less_this"]
    assert low <= 0.0 < high
    seeds = [[run["metrics"]["test/accuracy"][-1][1], *(seed["test/accuracy"] for seed in run["more_seeds"])]
             for run in (runs["federated"], runs["centralised"])]  # fmt: skip
    assert [federated > centralised for federated, centralised in zip(*seeds)] == [True, True, False]


def test_words_of_the_articles_what_the_intervals_allow():
    runs, iid = recorded("language_modeling", "articles"), recorded("language_modeling", "iid")
    last = {name: run["metrics"]["test/perplexity"][-1][1] for name, run in runs.items()}
    low, high = runs["centralised"]["federated_less_this"]
    assert low < 0 < high and len(runs["centralised"]["more_seeds"]) == 2
    for node in ("node1", "node2", "node3"):
        assert runs[node]["federated_less_this"][1] < -20
        values = [value for _, value in runs[node]["metrics"]["test/perplexity"]]
        assert min(values) < values[0] and min(values) < values[-1]  # they fall, and then rise
        assert iid[node]["metrics"]["test/perplexity"][-1][1] < last[node]


def test_a_text_ends_at_the_last_row_of_the_table():
    predictor = Predictor(TransformerModel(["<unk>", "a"], width=4, hidden=4)).eval()
    with torch.no_grad():
        assert predictor(torch.ones(1, 1000, dtype=torch.long)).shape == (1, 2)
        with pytest.raises(RuntimeError, match=r"size of tensor a \(1001\) must match the size of tensor b \(1000\)"):
            predictor(torch.ones(1, 1001, dtype=torch.long))


def test_attention_alone_knows_no_order_and_the_causal_mask_only_who_came_before():
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x, mask = torch.randn(1, 6, 8), torch.full((6, 6), float("-inf")).triu(1)
    order = [3, 0, 2, 4, 1, 5]  # the last stays last

    def attend(x, mask=None):
        return attention(x, x, x, attn_mask=mask, need_weights=False)[0][0]

    assert torch.allclose(attend(x[:, order]), attend(x)[order], atol=1e-6)
    before, after = attend(x, mask), attend(x[:, order], mask)
    assert not torch.allclose(after, before[order], atol=1e-2)
    assert torch.allclose(after[-1], before[-1], atol=1e-6)


@pytest.mark.real_data
def test_the_recorded_test_sets_have_the_size_that_the_guides_say(shared_data):
    words = shared_data / "speech_commands"
    clips = list_clips(words, "train") + list_clips(words, "test")
    test = choose_test(words, clips)
    assert (len(clips), len(set(map(speaker_of, clips)))) == (2548, 173)
    assert (len(test), len(set(map(speaker_of, test)))) == (499, 34)
    _, articles = load_folder(shared_data / "wikitext-2")
    assert len(articles) == 8
