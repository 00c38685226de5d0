using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Rewards;
using LlmRL.Rollouts;
using LlmRL.Tokenization;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>
/// Scores trajectories by one or several rewards. Rewards of the text run on worker threads while others are still being sampled; reward models run
/// over the whole rollout once it is there.
/// </summary>
public sealed class RewardScorer : IDisposable
{
    private readonly List<(IReward Reward, double Weight)> textRewards = [];
    private readonly List<(ITokenReward Reward, double Weight)> tokenRewards = [];
    private readonly Tokenizer tokenizer;
    private readonly List<(string Name, Transformer Model, double Weight)> learnedRewards = [];
    private readonly int microBatchTokens;

    /// <summary>Prepares scoring.</summary>
    /// <param name="source">What the recipe asks for.</param>
    /// <param name="context">Where models come from.</param>
    /// <param name="microBatchTokens">Most tokens that go through a reward model at once.</param>
    public RewardScorer(IRewardSource source, StageContext context, int microBatchTokens)
    {
        this.microBatchTokens = microBatchTokens;
        tokenizer = context.Tokenizer;
        Add(source, 1, context);
    }

    /// <summary>Starts scoring a rollout.</summary>
    public Pending Begin() => new(this);

    /// <inheritdoc/>
    public void Dispose() => learnedRewards.ForEach(reward => reward.Model.Dispose());

    private void Add(IRewardSource source, double weight, StageContext context)
    {
        switch (source)
        {
            case WeightedReward sum:
                foreach (var term in sum.Terms)
                    Add(term.Reward, weight * term.Weight, context);
                break;
            case LearnedReward learned:
                learnedRewards.Add((learned.Model, context.LoadModel(learned.Model, scalarHead: true, trainable: false), weight));
                break;
            case IReward reward:
                textRewards.Add((reward, weight));
                break;
            case ITokenReward reward:
                tokenRewards.Add((reward, weight));
                break;
            default:
                throw new InvalidOperationException($"{source.GetType().Name} is no reward that can be computed");
        }
    }

    private void ScoreText(Trajectory trajectory)
    {
        foreach (var (reward, weight) in textRewards)
        {
            var score = reward.Score(trajectory.Example, trajectory.Text);
            trajectory.Rewards[reward.Name] = score;
            trajectory.Score += weight * score;
        }

        if (tokenRewards.Count > 0)
            ScoreTokens(trajectory);
    }

    private void ScoreTokens(Trajectory trajectory)
    {
        var perToken = new double[trajectory.Length];
        trajectory.TokenRewards = new double[trajectory.Length];
        foreach (var (reward, weight) in tokenRewards)
        {
            reward.Score(trajectory.Example, trajectory.Completion, tokenizer, perToken);
            for (var t = 0; t < perToken.Length; t++)
                trajectory.TokenRewards[t] += weight * perToken[t];
            trajectory.Rewards[reward.Name] = perToken.Sum();
        }

        trajectory.Score += trajectory.TokenRewards.Sum();
    }

    private void ScoreByModels(Rollout rollout)
    {
        using var guard = no_grad();
        foreach (var (name, model, weight) in learnedRewards)
        {
            foreach (var micro in MicroBatches.Split(rollout.Trajectories, trajectory => trajectory.Prompt.Length + trajectory.Length, microBatchTokens))
            {
                using var scope = NewDisposeScope();
                var scores = RewardModel.LastTokenScores(model, [.. micro.Select(trajectory => trajectory.AllTokens())]).cpu().data<float>().ToArray();
                for (var b = 0; b < micro.Count; b++)
                {
                    micro[b].Rewards[name] = scores[b];
                    micro[b].Score += weight * scores[b];
                }
            }
        }
    }

    /// <summary>The scoring of one rollout.</summary>
    public sealed class Pending(RewardScorer scorer) : IDisposable
    {
        private readonly List<Task> tasks = [];

        /// <summary>A trajectory is done: its text rewards start now.</summary>
        public void Add(Trajectory trajectory)
        {
            if (scorer.textRewards.Count + scorer.tokenRewards.Count > 0)
                tasks.Add(Task.Run(() => scorer.ScoreText(trajectory)));
        }

        /// <summary>Waits for the text rewards and adds those of reward models. A fault on a worker thread comes out here.</summary>
        public void Complete(Rollout rollout)
        {
            Task.WhenAll(tasks).GetAwaiter().GetResult();
            scorer.ScoreByModels(rollout);
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            // After a fault in sampling, workers may still write to trajectories that nobody will read.
            Task.WhenAll(tasks).ContinueWith(_ => { }, TaskScheduler.Default).Wait();
        }
    }
}
