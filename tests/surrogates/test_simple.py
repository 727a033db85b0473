"""Simple models against scikit-learn, literal rules and closed forms, and what they read of images."""

from itertools import product

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from entries import Inapplicable
from methods.layers.layered import computed
from methods.surrogates.columns import Images, components, looks, sorts, words
from methods.surrogates.linear import ConceptLinear, SuperpixelLinear, path
from methods.surrogates.surrogate import Surrogate, Told
from methods.surrogates.trees import ConceptTree, LabelTree, Majority, PixelPcaTree
from superpixels import superpixels

SIZES = [2, 3, 5, 9]
WORDS = ("red", "striped", "large", "left")
TREE, PREDICTED = ConceptTree("drawn", 0.1, 3, 5, 0), ConceptTree("predicted", 1.0, 3, 5, 0)
LINEAR = ConceptLinear("drawn", 0.1, 3, 100, 1.0)
NAMES = ("a", "b", "c", "d", "e")


class Read:
    """A layer whose pooled activations are the images' first row of pixels."""

    keep = staticmethod(computed)

    def pooled(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0, 0]


def drawn(n: int = 200, wrong: float = 0.1, seed: int = 0, classes: int = 3) -> Images:
    """Images with words at random; the network's class follows them but for a share of images."""
    rng = np.random.default_rng(seed)
    shown = rng.random((n, len(WORDS))) < 0.5
    rule = np.where(shown[:, 0] & shown[:, 1], 0, np.where(shown[:, 2], 1, classes - 1))
    said = np.where(rng.random(n) < wrong, rng.integers(0, classes, n), rule)
    logits = rng.normal(0, 1, (n, classes))
    logits[np.arange(n), said] = logits.max(1) + 1
    x = torch.from_numpy(rng.normal(0, 1, (n, 3, 8, 8))).float()
    return Images(x, torch.from_numpy(logits), torch.from_numpy(rule), WORDS, torch.from_numpy(shown))


def numbers(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns (n, 5), classes that depend on some of them, and logits (n, 3) of mean 0."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(0, 1, (n, 5)) * [1, 5, 0.2, 1, 1]
    wanted = np.digitize(columns[:, 0] + columns[:, 1] / 5 + rng.normal(0, 0.3, n), [-0.5, 1])
    logits = rng.normal(0, 1, (n, 3)) + 2 * np.eye(3)[wanted]
    return columns, wanted, logits - logits.mean(1, keepdims=True)


def said(found: Surrogate, images: Images) -> Told:
    return found.told(found.columns.read(images))


def test_a_tree_is_scikit_learn_s_and_a_leaf_has_the_mean_logits_of_its_train_images():
    columns, wanted, logits = numbers(300)
    new = numbers(50, 1)[0]
    for model, size in zip(TREE.models(columns, wanted, logits, SIZES), SIZES, strict=True):
        reference = DecisionTreeClassifier(max_leaf_nodes=size, min_samples_leaf=5, random_state=0).fit(columns, wanted)
        said, told = model.told(new)
        assert (said == reference.predict(new)).all() and model.size == size
        leaves, own = reference.apply(columns), reference.apply(new)
        means = [logits[leaves == leaf].mean(0) for leaf in own]
        np.testing.assert_allclose(told, means, atol=1e-12)


def test_the_rules_of_a_tree_say_what_it_says():
    columns, wanted, logits = numbers(300)
    new, network, _ = numbers(80, 1)
    model = TREE.models(columns, wanted, logits, [6])[0]
    rules = model.rules(NAMES, new, network)
    said, total = np.full(80, -1), np.zeros(80, int)
    for rule in rules:
        here = np.ones(80, bool)
        for name, above, threshold in rule["if"]:
            column = new[:, NAMES.index(name)]
            here &= (column > threshold) == above
        said[here], total[here] = rule["says"], total[here] + 1
        assert [rule["images"], rule["right"]] == [here.sum(), (network[here] == rule["says"]).sum()]
    assert (total == 1).all() and (said == model.told(new)[0]).all() and len(rules) == 6


def test_the_chosen_columns_meet_the_conditions_of_an_l1_penalty():
    """A column has a weight where C times the slope of the loss is as steep as the penalty, and none where flatter."""
    columns, wanted, _ = numbers(300)
    z = StandardScaler().fit_transform(columns)
    told = [wanted == k for k in range(3)]
    first = 1 / max(abs(z.T @ (yes - yes.mean())).max() for yes in told)
    for c in first * np.array([1.02, 2, 10]):
        regression = [
            LogisticRegression(l1_ratio=1, C=c, solver="liblinear", intercept_scaling=100, tol=1e-8).fit(z, yes)
            for yes in told
        ]
        for yes, one in zip(told, regression, strict=True):
            steep = c * abs(z.T @ (one.predict_proba(z)[:, 1] - yes))
            chosen = one.coef_[0] != 0
            np.testing.assert_allclose(steep[chosen], 1, atol=2e-3)
            assert (steep[~chosen] < 1 + 2e-3).all()
        assert any((one.coef_ != 0).any() for one in regression), "the first weight comes right after the first step"
    sizes = [1, 2, 3, 5, 8]
    totals = [chosen.sum() for chosen in path(z, told, 100, sizes)]
    assert all(size - 2 <= total <= size for total, size in zip(totals, sizes, strict=True))


def test_a_linear_model_is_scikit_learn_s_on_the_chosen_columns():
    columns, wanted, logits = numbers(300)
    new = numbers(50, 1)[0]
    model = LINEAR.models(columns, wanted, logits, [6])[0]
    scale, scores, told = StandardScaler().fit(columns), [], []
    for k in range(3):
        some = model.weights[k] != 0
        z, of_new = scale.transform(columns)[:, some], scale.transform(new)[:, some]
        scores.append(LogisticRegression(C=1.0, max_iter=1000).fit(z, wanted == k).decision_function(of_new))
        told.append(LinearRegression().fit(z, logits[:, k]).predict(of_new))
    said, own = model.told(new)
    assert (said == np.argmax(scores, 0)).all() and 3 <= model.size <= 6
    np.testing.assert_allclose(own, np.transpose(told) - np.mean(told, 0)[:, None], atol=1e-8)
    *rules, _, _, last = model.rules(NAMES, new, said)
    assert {(rule["of"], rule["says"]): rule["weight"] for rule in rules} == {
        (NAMES[j], k): model.weights[k, j] for k, j in np.argwhere(model.weights != 0)
    }
    assert last == {"of": "always", "says": 2, "weight": model.offsets[2]}


def test_of_two_classes_one_is_told_from_the_other_and_one_alone_is_always_said():
    columns, wanted, logits = numbers(300)
    model = LINEAR.models(columns, np.minimum(wanted, 1), logits[:, :2], [2])[0]
    assert (
        model.size == 2
        and (model.weights[0] == 0).all()
        and (model.told(columns)[0] == np.minimum(wanted, 1)).mean() > 0.8
    )
    (alone,) = LINEAR.models(columns, np.full(300, 2), logits, [2])
    assert alone.size == 0 and (alone.told(columns)[0] == 2).all()


def test_controls_are_fitted_to_labels_and_say_the_most_frequent_class():
    train = drawn(wrong=0.4)
    label = said(LabelTree("drawn", 0.1, 3, 1, 0)(None, train, [16]), train).predicted[0]
    assert (label == train.labels).all() and (label.numpy() != train.predicted).mean() > 0.2
    most = said(Majority()(None, train, SIZES), train)
    assert (most.predicted == torch.bincount(train.logits.argmax(1)).argmax()).all()
    mean = train.logits - train.logits.mean(1, keepdim=True)
    assert torch.allclose(most.logits, mean.mean(0).expand(len(SIZES), len(train.x), -1))
    refitted = TREE(None, train, [3]).refitted(train.shown.numpy(), np.arange(100).repeat(2))
    half = Images(*(part[:100] if isinstance(part, torch.Tensor) else part for part in train))
    assert (refitted == said(TREE(None, half, [3]), train).predicted).all()


def test_words_are_read_out_of_a_layer_by_images_that_they_were_not_fitted_on():
    train, new = drawn(60), drawn(60, seed=1)
    noise = words(ConceptTree("predicted", 1e4, 3, 5, 0), Read(), train._replace(x=train.x.repeat(1, 1, 1, 8)))
    auc = [roc_auc_score(word, score) for word, score in zip(train.shown.T, noise.train.T, strict=True)]
    assert 0.3 < np.mean(auc) < 0.7, "eight noisy channels that are fitted and read on the same images tell .7 and more"
    of = [part._replace(x=seen(part)) for part in (train, new)]
    told = words(PREDICTED, Read(), of[0])
    assert told.names == WORDS and ((told.read(of[1]) > 0.5) == new.shown.numpy()).mean() > 0.97


def seen(images: Images) -> torch.Tensor:
    """Pixels whose first row holds the words."""
    x = images.x.clone()
    x[:, 0, 0, : len(WORDS)] = 4 * images.shown.float()
    return x


def test_components_are_those_of_scikit_learn():
    train, new = drawn(), drawn(50, seed=1)
    found = components(PixelPcaTree(5, 4, 5, 0), None, train)
    small = [torch.nn.functional.avg_pool2d(part.x, 2).flatten(1).double().numpy() for part in (train, new)]
    reference = PCA(5, svd_solver="full").fit(small[0])
    np.testing.assert_allclose(abs(found.read(new)), abs(reference.transform(small[1])), atol=1e-8)


def test_looks_of_superpixels_are_means_over_their_pixels():
    x = drawn(3).x
    labels, found = superpixels(x, 6), looks(x, 6)
    k = 0
    for i, label in product(range(3), range(int(labels.max()) + 1)):
        where = (labels[i] == label).nonzero().tolist()
        if where:
            light = x[i].mean(0)
            across = [abs(light[a, b] - light[a, b - 1]) if b else 0 for a, b in where]
            down = [abs(light[a, b] - light[a - 1, b]) if a else 0 for a, b in where]
            own = [*(np.mean([x[i, c, a, b] for a, b in where]) for c in range(3)), np.mean(across), np.mean(down)]
            assert found["looks"][k].tolist() == pytest.approx(own, abs=1e-6)
            assert found["image"][k] == i and found["share"][k] == pytest.approx(len(where) / 64)
            k += 1
    assert k == len(found["looks"])


def test_sorts_share_out_the_image_and_tell_what_images_are_made_of():
    """Halves of images are dark or light, so that two sorts say how much of an image is light."""
    share = torch.arange(1, 8)
    x = (torch.arange(8) < share[:, None]).float()[:, None, None].expand(-1, 3, 8, -1).contiguous()
    train = Images(x, torch.zeros(7, 2), torch.zeros(7))
    entry = SuperpixelLinear(64, 2, 10, 1.0, 0)
    found = sorts(entry, Read(), train)
    np.testing.assert_allclose(found.train.sum(1), 1)
    assert (found.read(train) == found.train).all()
    light = found.train[:, found.train[-1].argmax()]
    assert np.corrcoef(light, share)[0, 1] > 0.9


def test_what_does_not_suit_is_said_in_one_sentence():
    train = drawn()
    with pytest.raises(Inapplicable, match="ConceptTree needs train images of two classes; all 200 are of class 2"):
        TREE(None, train._replace(logits=torch.eye(3)[[2] * 200]), SIZES)
    for entry in (TREE, PREDICTED, LINEAR):
        with pytest.raises(Inapplicable, match=f"{type(entry).__name__} needs a data set with words.*gives none"):
            entry(Read(), train._replace(words=(), shown=None), SIZES)
